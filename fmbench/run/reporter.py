"""What a run tells while it works: its status.json, for whoever looks from elsewhere."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from fmbench.progress import Progress
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory

HEARTBEAT = 1.0  # seconds between two reports of a run
SLOT = "FMBENCH_SLOT"  # the environment variable in which an engine says where it placed a run


class StatusReporter:
    """Keeps status.json up to date, and passes everything on.

    Args:
        directory: of the run.
        steps: optimiser steps asked for.
        progress: told the same.
    """

    def __init__(self, directory: RunDirectory, steps: int, progress: Progress) -> None:
        self._directory, self._progress = directory, progress
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
        self._progress.stage(name, total, done)
        self._begun, self._before = time.monotonic(), done
        self._write(doing=name, total=total, done=done, note="", left=None)

    def update(self, done: int, note: str = "") -> None:
        """`done` units of the stage are behind it."""
        self._progress.update(done, note)
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
