"""fmbench status: how the runs of a results directory stand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fmbench.cli.options import DEFAULT_RESULTS, INTERRUPTED, ResultsDir

if TYPE_CHECKING:
    from fmbench.registry.code import PresentCode
    from fmbench.store.records import StatusRecord

SHOWN = 20  # runs of a kind that are listed one by one


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show which runs are done, running, waiting or failed, and which of them other code has trained.

    It works from any machine that sees the directory. A run is lost if it says that it runs and no process holds it:
    the command that started it goes on with it when given again.
    """
    from fmbench.registry.discovery import load_plugins  # here, so that --help does not wait for pluggy

    console, present = Console(highlight=False), load_plugins().code
    if not watch:
        console.print(overview(results_dir, present))
        return
    try:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(overview(results_dir, present), refresh=True)
                time.sleep(2)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def overview(results: Path, present: PresentCode) -> RenderableType:
    """Counts by dataset and state, and a line for each run that runs, has failed or is stale.

    Raises:
        FmbenchError: there is no such directory, or no run in it.
    """
    from fmbench.errors import FmbenchError  # here, so that --help does not wait for pydantic
    from fmbench.report.run_states import ORDER, run_states
    from fmbench.report.stale import stale_lines
    from fmbench.scheduling.monitor import running_table

    by_state: dict[str, list[tuple[str, StatusRecord]]] = {state: [] for state in ORDER}
    counts: dict[str, dict[str, int]] = {}
    runs = list(run_states(results))
    for run in runs:
        counts.setdefault(run.dataset, dict.fromkeys(ORDER, 0))[run.state] += 1
        if run.state not in ("done", "queued"):
            by_state[run.state].append((run.name, run.status))
    if not counts:
        raise FmbenchError(f"no runs in {str(results)!r}: run 'fmbench run' first, or give --results-dir")
    parts: list[RenderableType] = [counted(counts)]
    if by_state["running"]:
        parts.append(running_table(by_state["running"][:SHOWN]))
    for state in ("lost", "failed", "timeout"):
        told = by_state[state]
        parts += [
            Text(f"{state}: {name}" + (f": {status.reason}" if status.reason else "")) for name, status in told[:SHOWN]
        ]
        parts += [Text(f"{state}: and {len(told) - SHOWN} more", style="dim")] if len(told) > SHOWN else []
    parts += [Text(line) for line in stale_lines((run.directory for run in runs), (), present)]
    return Group(*parts)


def counted(counts: dict[str, dict[str, int]]) -> Table:
    """Runs by dataset and state."""
    states = [state for state in next(iter(counts.values())) if any(row[state] for row in counts.values())]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("dataset", *states):
        table.add_column(head, justify="left" if head == "dataset" else "right")
    for dataset, row in counts.items():
        table.add_row(Text(dataset), *(str(row[state]) for state in states))
    return table
