"""fmbench bench: how fast this machine is, and how long a configuration would take on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import DEFAULT_RESULTS, INTERRUPTED, Device, Offline, Plugin, ResultsDir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fmbench.scheduling.bench import Pace

NAMES = ("dataset", "method")
RATES = ("params", "steps/s", "of limit", "bf16-mixed", "samples/s", "NFE", "points/s")
LEGEND = (
    "Training in float32 (steps/s, and its share of the limit) and in bf16-mixed; samples by the method's headline "
    "sampler, each of so many network evaluations (NFE); test points whose likelihood is had."
)


def command(
    config: Annotated[str | None, typer.Option(help="A YAML file, or the name of a shipped configuration.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Of training, for each method and precision.")] = 3.0,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    plugin: Plugin = None,
    _offline: Offline = False,
    device: Device = "auto",
) -> None:
    """Measure this machine: each method of a configuration trains for a few seconds, draws samples, has its likelihood.

    Prints steps, samples and test points per second, by float32 and bf16-mixed, the share of this machine's fastest
    matrix product that training reaches, and how long the whole configuration would take, one run after the other.
    `run --dry-run` uses what it found where no finished run tells. The samples are those of hardly trained networks,
    which an adaptive solver may draw in fewer evaluations than the trained one's.
    """
    # Here, so that --help does not wait for pydantic and torch.
    from fmbench import commands
    from fmbench.engine.local import Local, slots_of
    from fmbench.execution import Execution
    from fmbench.scheduling import bench
    from fmbench.scheduling.estimate import describe, time_left
    from fmbench.scheduling.monitor import GridMonitor
    from fmbench.store.run import BENCH

    plugins = told_plugins(plugin)
    planned = bench.plan(plugins, config, seconds, results_dir)
    bench.forget(planned)
    console, files = Console(stderr=True, highlight=False), plugin or []
    limits = product_limits(device)  # first, while nothing else runs here
    console.print(f"{len(planned)} short runs of some {seconds:g} s of training each", soft_wrap=True)
    try:
        outcome = commands.carry_out(
            planned,
            plugins,
            results=results_dir / BENCH,
            execution=Execution(device, plugins=tuple(map(str, files))),
            engine=Local(slots_of(1, None, 1), plugins=files),
            monitor=GridMonitor(console),
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    shown = Console(highlight=False)
    shown.print(table(bench.paces(planned), limits["float32"]))
    shown.print(LEGEND, soft_wrap=True)
    fastest = ", ".join(f"{name} {limit / 1e12:.3g}" for name, limit in limits.items())
    shown.print(f"The limit: {fastest} TFLOP/s, the fastest products of square matrices here.", soft_wrap=True)
    whole = commands.locate(commands.plan(plugins, config=config), results_dir)
    shown.print(f"{config or 'the default configuration'}: {describe(time_left(whole, results_dir))}", soft_wrap=True)
    if not outcome.complete:
        raise typer.Exit(1)


def product_limits(device: str) -> dict[str, float]:
    """FLOPs per second by precision, on the device that is meant."""
    import torch

    from fmbench.run.worker import choose_device
    from fmbench.training.limits import product_limit

    place = choose_device(device)
    return {
        "float32": product_limit(torch.float32, place),
        "bfloat16": product_limit(torch.bfloat16, place),
    }


def table(paces: Sequence[Pace], limit: float) -> Table:
    """A line for each method."""
    from fmbench.report.columns import si

    found = Table(box=None, pad_edge=False)
    for head in NAMES:
        found.add_column(head, overflow="fold")
    for head in RATES:
        found.add_column(head, justify="right")
    for pace in paces:
        training = pace.run.training
        share = None if pace.flops is None else 100 * pace.flops / limit
        found.add_row(
            training.dataset.name,
            training.method.name,
            "-" if pace.params is None else si(pace.params),
            rate(pace.steps),
            "-" if share is None else f"{share:.0f} %",
            rate(pace.mixed),
            rate(pace.samples),
            rate(pace.nfe),
            rate(pace.points),
        )
    return found


def rate(value: float | None) -> str:
    """Three digits."""
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
