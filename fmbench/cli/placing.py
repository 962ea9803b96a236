"""Where runs are placed and how they end: what `run` and `eval` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from fmbench.cli.options import INTERRUPTED, names
from fmbench.errors import FmbenchError, unknown
from fmbench.plugins import Plugins

if TYPE_CHECKING:
    from fmbench.engine.base import Engine
    from fmbench.schedule import Cell, Orders

PLACES = "Where runs are placed"
ENGINES = ("local", "inline", "ray", "slurm")
STATES = ("failed", "timeout")

Jobs = Annotated[int, typer.Option(min=1, help="Runs at a time; the cores are divided.", rich_help_panel=PLACES)]
Gpus = Annotated[
    str | None, typer.Option(metavar="0,1|all", help="GPUs to share; each gets runs.", rich_help_panel=PLACES)
]
PerGpu = Annotated[int, typer.Option(min=1, help="Runs at a time on each of --gpus.", rich_help_panel=PLACES)]
Timeout = Annotated[
    str | None, typer.Option(metavar="TIME", help="Longest time of a run, as 2h or 30m.", rich_help_panel=PLACES)
]
EngineName = Annotated[
    str, typer.Option("--engine", help="local, inline (this process), ray or slurm.", rich_help_panel=PLACES)
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", metavar="KEY=VALUE", help="For ray and slurm; repeat.", rich_help_panel=PLACES),
]
Retry = Annotated[
    str | None, typer.Option(metavar="failed|timeout", help="Try runs that ended so again.", rich_help_panel=PLACES)
]


def states(text: str | None) -> list[str]:
    """What --retry asks for.

    Raises:
        FmbenchError: a state that is not tried again.
    """
    asked = [] if text is None else names(text)
    for state in asked:
        if state not in STATES:
            raise unknown("state of --retry", state, STATES)
    return asked


def build_engine(
    name: str,
    plugins: Plugins,
    console: Console,
    *,
    files: Sequence[Path],
    jobs: int,
    gpus: str | None,
    per_gpu: int,
    timeout: str | None,
    options: Sequence[str],
    results: Path,
) -> Engine:
    """The engine that the options describe.

    Raises:
        FmbenchError: it is unknown, its package is not installed, or an option makes no sense for it.
    """
    from fmbench.durations import parse

    seconds = None if timeout is None else parse(timeout, "--timeout")
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if name == "local":
        from fmbench.engine.local import Local, slots_of

        if options:
            raise FmbenchError("--engine-option is for ray and slurm; the local engine takes --jobs, --gpus, --per-gpu")
        return Local(slots_of(jobs, gpus, per_gpu), plugins=files, timeout=seconds)
    if jobs > 1 or gpus is not None or per_gpu > 1:
        raise FmbenchError(
            f"--jobs, --gpus and --per-gpu divide one machine (--engine local); {name} does not take them"
        )
    if name == "inline":
        from fmbench.engine.inline import Inline

        if options or seconds:
            raise FmbenchError("--engine inline runs in this process: it takes no --timeout and no --engine-option")
        return Inline(plugins, console)
    if name == "ray":
        from fmbench.engine.ray import Ray

        return Ray(engine_options(options), seconds)
    from fmbench.engine.slurm import Slurm

    return Slurm(results, engine_options(options), seconds)


def engine_options(texts: Sequence[str]) -> dict[str, Any]:
    """What several --engine-option say together.

    Raises:
        FmbenchError: one is not key=value.
    """
    import yaml

    options: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise FmbenchError(f"--engine-option {text!r}: write key=value, as in gpus=0.5 or slurm_partition=gpu")
        options[key] = yaml.safe_load(value)
    return options


def carry_out(
    cells: Sequence[Cell], plugins: Plugins, engine: Engine, orders: Orders, results: Path, console: Console
) -> None:
    """Run, print the table, and leave with 1 where a number is missing, with 130 where Ctrl-C came."""
    from fmbench import commands
    from fmbench.report.render import rich_table
    from fmbench.watching import LiveWatch, Watch

    live = console.is_terminal and type(engine).__name__ != "Inline"
    watch = LiveWatch(console) if live else Watch(console)
    try:
        outcome = commands.run(cells, plugins, results=results, orders=orders, engine=engine, watch=watch)
    except KeyboardInterrupt:
        console.print("interrupted: what was done is kept; the same command goes on from there", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    Console(highlight=False).print(rich_table(outcome.rows))
    if not outcome.complete:
        raise typer.Exit(1)
