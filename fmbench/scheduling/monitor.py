"""What a person sees of a grid while it runs: a line a finished run, and on a terminal a live table besides."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fmbench.durations import show
from fmbench.engine.base import Ended, Job
from fmbench.store.records import StatusRecord

COLOURS = {"done": "green", "failed": "red", "timeout": "red", "queued": "yellow", "running": "cyan"}
SHOWN = 24  # running runs in the live table
FILES_A_SECOND = 500


class GridMonitor:
    """A line for every run that has ended.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._left: list[Job] = []
        self._ends: Counter[str] = Counter()
        self._all, self._begun, self._looked = 0, 0.0, -math.inf

    @contextmanager
    def over(self, jobs: Sequence[Job]) -> Iterator[None]:
        """GridMonitor these."""
        self._left, self._all, self._begun = list(jobs), len(jobs), time.monotonic()
        yield

    def look(self) -> None:
        """Show what runs."""

    def ended(self, ended: Ended, status: StatusRecord) -> None:
        """A job's process is gone, and this is the state that it left."""
        self._left.remove(ended.job)
        self._ends[status.state] += 1
        count = f"[{sum(self._ends.values())}/{self._all}] " if self._all > 1 else ""
        end = f"[{COLOURS[status.state]}]{status.state}[/] in {ended.seconds:.0f} s"
        reason = f": {escape(status.reason)}" if status.reason else ""
        self.console.print(f"{escape(count + ended.job.name)}: {end}{reason}", soft_wrap=True)


class LiveMonitor(GridMonitor):
    """Also a table of what runs: step, loss, rate and time left of each, and how far the grid is."""

    @contextmanager
    def over(self, jobs: Sequence[Job]) -> Iterator[None]:
        """GridMonitor these."""
        with super().over(jobs), Live(console=self.console, auto_refresh=False, transient=True) as self._live:
            yield

    def look(self) -> None:
        """Draw the table anew; less often where there are thousands of files to read for it."""
        now = time.monotonic()
        if now - self._looked > len(self._left) / FILES_A_SECOND:
            self._live.update(self._table(), refresh=True)
            self._looked = now

    def _table(self) -> Table:
        statuses = [(job, job.directory.status()) for job in self._left]
        running = [(job, status) for job, status in statuses if status.state == "running"]
        table = running_table([(job.name, status) for job, status in running[:SHOWN]])
        parts = [f"{count} {state}" for state, count in sorted(self._ends.items())]
        parts += [f"{len(running)} running", f"{len(self._left) - len(running)} waiting"]
        table.caption = f"{' · '.join(parts)} · {show(time.monotonic() - self._begun)} so far"
        table.caption_justify = "left"
        return table


def running_table(runs: Sequence[tuple[str, StatusRecord]]) -> Table:
    """Runs that are under way, a line each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("slot", "run", "at", "left"):
        table.add_column(head, no_wrap=head in ("slot", "left"), justify="right" if head == "left" else "left")
    for name, status in runs:
        share = f"{status.done:,}/{status.total:,}" if status.total else ""
        at = Text.assemble(f"{status.doing}  {share}", *([("\n" + status.note, "dim")] if status.note else []))
        table.add_row(status.slot, Text(name), at, show(status.left) if status.left is not None else "")
    return table
