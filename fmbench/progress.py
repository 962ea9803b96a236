"""What a run tells while it works: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Watcher(Protocol):
    """Told about a run's stages."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of `total` units begins, `done` of them already behind it."""

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the stage are behind it."""


class Silent:
    """A watcher that says nothing."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Ignored."""

    def update(self, done: int, note: str = "") -> None:
        """Ignored."""


class Bar:
    """A rich progress bar: run, stage, a note (loss and rate) and the time left."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._task: TaskID | None = None

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Start a new bar in place of the last."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(f"{self._title}  {name}", total=total, completed=done, note="")

    def update(self, done: int, note: str = "") -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, note=note)


@contextmanager
def watching(console: Console, title: str) -> Iterator[Watcher]:
    """A watcher for one run: a bar if the console is a terminal, else silence."""
    if not console.is_terminal:
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, title)
