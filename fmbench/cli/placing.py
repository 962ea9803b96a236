"""Where runs are placed and how they end: what `run` and `eval` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from fmbench.cli.options import INTERRUPTED, names
from fmbench.errors import FmbenchError, unknown

if TYPE_CHECKING:
    from fmbench.engine.base import Engine
    from fmbench.execution import Execution
    from fmbench.registry.plugins import Plugins
    from fmbench.scheduling.dispatch import PlannedRun

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
AllowStale = Annotated[
    bool, typer.Option("--allow-stale", help="Go on with what other code, or other data, has trained.")
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


@dataclass(frozen=True)
class Place:
    """Where runs are to be placed, as the options of the same names say."""

    engine: str
    jobs: int
    gpus: str | None
    per_gpu: int
    timeout: str | None
    options: Sequence[str]

    def build(self, plugins: Plugins, execution: Execution, results: Path, console: Console) -> Engine:
        """The engine that the options describe.

        Raises:
            FmbenchError: it is unknown, its package is not installed, or an option makes no sense for it.
        """
        from fmbench.durations import parse

        if self.engine in ("local", "inline"):
            self._find_gpus(execution)
        seconds = None if self.timeout is None else parse(self.timeout, "--timeout")
        if self.engine not in ENGINES:
            raise unknown("engine", self.engine, ENGINES)
        if self.engine == "local":
            from fmbench.engine.local import Local, slots_of

            if self.options:
                raise FmbenchError("--engine-option is for ray and slurm; on this machine: --jobs, --gpus, --per-gpu")
            return Local(
                slots_of(self.jobs, self.gpus, self.per_gpu),
                plugins=[Path(file) for file in execution.plugins],
                timeout=seconds,
            )
        if self.jobs > 1 or self.gpus is not None or self.per_gpu > 1:
            raise FmbenchError(f"--jobs, --gpus and --per-gpu divide one machine; --engine {self.engine} has none")
        if self.engine == "inline":
            from fmbench.engine.inline import Inline

            if self.options or seconds:
                raise FmbenchError("--engine inline is this process: it takes no --timeout and no --engine-option")
            return Inline(plugins, console)
        options = engine_options(self.options)
        if self.engine == "ray":
            from fmbench.engine.ray import Ray

            if execution.device == "cuda" and not options.get("gpus"):
                raise FmbenchError("--device cuda: Ray gives a run the GPUs that are asked for: --engine-option gpus=1")
            return Ray(options, seconds)
        from fmbench.engine.slurm import Slurm

        return Slurm(results, options, seconds)

    def _find_gpus(self, execution: Execution) -> None:
        """Whether the GPUs that are asked for are on this machine, before anything is written.

        Raises:
            FmbenchError: there is none.
        """
        asked = "--device cuda" if execution.device == "cuda" else f"--gpus {self.gpus}" if self.gpus else ""
        if asked:
            from fmbench.training.devices import require_cuda  # imports torch: only where it is asked

            require_cuda(asked)


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
    planned: Sequence[PlannedRun], plugins: Plugins, place: Place, execution: Execution, results: Path, console: Console
) -> None:
    """Run, print the table, and leave with 1 where a number is missing, with 130 where Ctrl-C came."""
    from fmbench import commands
    from fmbench.report.sheet import sheets
    from fmbench.report.terminal import rich_table
    from fmbench.scheduling.monitor import GridMonitor, LiveMonitor

    engine = place.build(plugins, execution, results, console)
    live = console.is_terminal and place.engine != "inline"  # which has a bar of its own
    monitor = LiveMonitor(console) if live else GridMonitor(console)
    try:
        outcome = commands.carry_out(
            planned, plugins, results=results, execution=execution, engine=engine, monitor=monitor
        )
    except KeyboardInterrupt:
        console.print("interrupted: what was done is kept; the same command goes on from there", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    Console(highlight=False).print(rich_table(sheets(outcome.rows)))
    if not outcome.complete:
        raise typer.Exit(1)
