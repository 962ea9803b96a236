"""fmbench run: train, evaluate, print the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fmbench.cli.options import (
    DEFAULT_RESULTS,
    INTERRUPTED,
    Datasets,
    Device,
    Metrics,
    Plugin,
    ResultsDir,
    Set,
    names,
)
from fmbench.discovery import load_plugins
from fmbench.errors import FmbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fmbench.config import RunRequest
    from fmbench.specs import Scalar
    from fmbench.store.run import RunDirectory


def command(
    methods: Annotated[str | None, typer.Option(help="Comma-separated names; see `fmbench list methods`.")] = None,
    dataset: Datasets = None,
    config: Annotated[str | None, typer.Option(help="A YAML file, or the name of a shipped configuration.")] = None,
    set_: Set = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Run each of several values, as train.lr=1e-3,2e-3; may be repeated."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|LIST", help="How many training seeds (3), or which ones (0,1,2).")
    ] = None,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    metrics: Metrics = None,
    device: Device = "auto",
    snapshots: Annotated[int, typer.Option(min=0, help="Times to keep weights for metric learning-curve.")] = 0,
    plugin: Plugin = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs and how long they may take, and stop.")
    ] = False,
) -> None:
    """Train and evaluate methods on the same data, network, budget and seeds, and print the table.

    Runs that are done are not repeated; interrupted ones go on where they stopped. Keys of --set and --sweep:
    train.*, network.*, sampler.*, nll.*, fid.*, options.METHOD.*; `fmbench info train` and so on list them.
    """
    # Here, so that --help does not wait for pydantic and YAML.
    from fmbench import commands
    from fmbench.report.render import rich_table
    from fmbench.store.run import RunDirectory

    console = Console(stderr=True, highlight=False)
    plugins = load_plugins(plugin or [])
    for broken in plugins.broken:
        line = f"warning: plugin {broken.name!r} ({broken.distribution}) is broken at {broken.stage}: {broken.error}"
        console.print(line, markup=False, soft_wrap=True)
    runs = commands.plan(
        plugins,
        config=config,
        methods=None if methods is None else names(methods),
        dataset=None if dataset is None else names(dataset),
        seeds=None if seeds is None else parse_seeds(seeds),
        metrics=None if metrics is None else names(metrics),
        assignments=set_ or [],
        sweep=sweep or [],
    )
    for note in runs.notes:
        console.print(note, markup=False, soft_wrap=True)
    places = [(one, RunDirectory.of(results_dir, one)) for one in runs]
    if dry_run:
        show_plan(places, results_dir)
        return
    try:
        outcome = commands.run(runs, plugins, results=results_dir, device=device, snapshots=snapshots, console=console)
    except KeyboardInterrupt:
        console.print("interrupted: what was done is kept; the same command goes on from there", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    Console(highlight=False).print(rich_table(outcome.rows))
    if not outcome.complete:
        raise typer.Exit(1)


def parse_seeds(text: str) -> list[int]:
    """Seeds: "3" is [0, 1, 2], "0,2" is [0, 2], "7," is [7].

    Raises:
        FmbenchError: it is neither.
    """
    try:
        numbers = [int(part) for part in names(text)]
    except ValueError:
        numbers = []
    counted = "," not in text
    if not numbers or min(numbers) < (1 if counted else 0):
        raise FmbenchError(f"--seeds {text!r}: give a number of seeds (3) or a list of them (0,1,2)")
    return list(range(numbers[0])) if counted else numbers


def show_plan(places: list[tuple[RunRequest, RunDirectory]], results: Path) -> None:
    """The runs, whether each is done, how long the rest may take, and where each lives."""
    from fmbench import durations
    from fmbench.estimate import describe, estimate
    from fmbench.store.cells import complete

    estimates = estimate(places, results)
    varied = varied_keys([one.evaluation_overrides for one, _ in places])
    table = Table(box=None)
    for head in ("dataset", "method", "seed", *varied, "state", "estimate", "directory"):
        table.add_column(head, overflow="fold")
    for (one, directory), guess in zip(places, estimates, strict=True):
        training = one.training
        done = complete(one, directory)
        length = "" if done else "?" if guess is None else durations.show(guess.seconds)
        cells = [training.dataset.name, training.method.name, str(training.seed)]
        cells += [str(one.evaluation_overrides.get(key, "default")) for key in varied]
        table.add_row(*cells, "done" if done else "to do", length, str(directory.path))
    console = Console(highlight=False)
    console.print(table)
    console.print(describe(estimates), soft_wrap=True)


def varied_keys(overrides: Sequence[Mapping[str, Scalar]]) -> list[str]:
    """The keys in which evaluations differ from each other, as when a sampler is swept: their directory is the same."""
    keys = dict.fromkeys(key for one in overrides for key in one)
    return [key for key in keys if len({one.get(key, "default") for one in overrides}) > 1]
