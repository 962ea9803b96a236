"""What long work tells while it goes on: its stages and how far it is in each, shown as a bar on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich import progress as bars
from rich.console import Console


class Progress(Protocol):
    """Told about the stages of a piece of work."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of `total` units begins, `done` of them already behind it."""

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the stage are behind it."""


class Silent:
    """Shows nothing."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Ignored."""

    def update(self, done: int, note: str = "") -> None:
        """Ignored."""


class Bar:
    """A rich progress bar: run, stage, a note (loss and rate) and the time left."""

    def __init__(self, display: bars.Progress, title: str) -> None:
        self._display = display
        self._title = title
        self._task: bars.TaskID | None = None

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Start a new bar in place of the last."""
        if self._task is not None:
            self._display.remove_task(self._task)
        self._task = self._display.add_task(f"{self._title}  {name}", total=total, completed=done, note="")

    def update(self, done: int, note: str = "") -> None:
        """Move the bar."""
        if self._task is not None:
            self._display.update(self._task, completed=done, note=note)


_WATCHER: ContextVar[Progress] = ContextVar("watcher", default=Silent())  # noqa: B039 - it holds nothing


@contextmanager
def watched_by(progress: Progress) -> Iterator[None]:
    """Within, what has no other way to tell of long work, as a dataset's factory that downloads, tells this one."""
    token = _WATCHER.set(progress)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def watcher() -> Progress:
    """Who is to be told of long work here."""
    return _WATCHER.get()


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Progress]:
    """A bar for one piece of work if the console is a terminal, else silence."""
    if not console.is_terminal:
        yield Silent()
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(bar_width=24),
        bars.TaskProgressColumn(),
        bars.TextColumn("{task.fields[note]}", style="dim"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True) as display:
        yield Bar(display, title)
