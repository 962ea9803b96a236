"""What a run tells while it works: a bar on a terminal, and its status.json for whoever looks from elsewhere."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from msgspec import structs
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory

HEARTBEAT = 1.0  # seconds between two reports of a run
SLOT = "FMBENCH_SLOT"  # the environment variable in which an engine says where it placed a run


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


class Reporter:
    """Keeps status.json up to date, and passes everything on to another watcher.

    Args:
        directory: of the run.
        steps: optimiser steps asked for.
        watcher: told as well.
    """

    def __init__(self, directory: RunDirectory, steps: int, watcher: Watcher) -> None:
        self._directory, self._watcher = directory, watcher
        self._written = self._begun = time.monotonic()
        self._before = 0
        slot = os.environ.get(SLOT, "")
        self.status = StatusRecord(state="running", steps=steps, slot=slot, host=socket.gethostname(), pid=os.getpid())
        self._write()

    def enter_evaluation(self, step: int) -> None:
        """Training is over."""
        self._write(stage="evaluate", step=step, doing="", done=0, total=0, note="", left=None)

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of `total` units begins, `done` of them already behind it."""
        self._watcher.stage(name, total, done)
        self._begun, self._before = time.monotonic(), done
        self._write(doing=name, total=total, done=done, note="", left=None)

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the stage are behind it."""
        self._watcher.update(done, note)
        now = time.monotonic()
        if now - self._written < HEARTBEAT:
            return
        status = self.status
        left = (now - self._begun) / (done - self._before) * (status.total - done) if done > self._before else None
        in_steps = status.doing == "train" and status.total == status.steps  # a budget may count seconds
        step = done if in_steps else status.step
        self._write(done=done, note=note, left=left, step=step)

    def _write(self, **changes: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.status = structs.replace(self.status, **changes, updated_at=now)
        self._directory.set_status(self.status)
        self._written = time.monotonic()


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
