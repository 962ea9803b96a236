"""Runs in this process, one after the other: for debugging, and for plugins that Python code has registered."""

from __future__ import annotations

import time
from collections import deque

from rich.console import Console

from fmbench.engine.base import Ended, Job
from fmbench.progress import progress_bar
from fmbench.registry.plugins import Plugins
from fmbench.run.exits import BUSY
from fmbench.store.locks import BusyError


class Inline:
    """The engine without processes: a run that crashes or hangs takes everything with it.

    Args:
        plugins: where the runs' parts come from.
        console: for a progress bar.
    """

    room = 1

    def __init__(self, plugins: Plugins, console: Console) -> None:
        self._plugins, self._console = plugins, console
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Queue it."""
        self._waiting.append(job)

    def wait(self, seconds: float) -> list[Ended]:
        """Carry out the next job, however long it takes."""
        del seconds
        from fmbench.run import (
            stages,  # torch, only where there is work
            worker,  # torch, only where there is work
        )

        job = self._waiting.popleft()
        asked = job.directory.job()
        execution, begun = worker.here(asked.execution), time.monotonic()
        try:
            with progress_bar(self._console, job.name) as progress:
                code = worker.EXIT[
                    stages.carry_out_run(asked.runs, job.directory, self._plugins, execution, progress).state
                ]
        except BusyError:
            code = BUSY
        return [Ended(job, code, time.monotonic() - begun)]

    def stop(self) -> None:
        """Drop what has not started."""
        self._waiting.clear()
