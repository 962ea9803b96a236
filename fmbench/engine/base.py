"""What an engine is: it places processes, and says how they ended. What they did stands in the store."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from typing import Protocol

from fmbench.run.exits import REFUSED
from fmbench.store.run import RunDirectory

GRACE = 30.0  # seconds that a run gets to write a checkpoint once it is asked to stop


@dataclass(frozen=True)
class Job:
    """One run directory to carry out, as its job.json says.

    Args:
        directory: of the run.
        name: for people.
        devices: processes (GPUs) that share its training.
    """

    directory: RunDirectory
    name: str
    devices: int = 1


@dataclass(frozen=True)
class Ended:
    """A job whose process is gone.

    Args:
        job: which.
        code: its exit status; negative for the signal that killed it; None where the engine cannot know.
        seconds: for how long it ran.
        timeout: whether the engine killed it for taking too long.
        output: the last line that it wrote to standard error.
    """

    job: Job
    code: int | None
    seconds: float
    timeout: bool = False
    output: str = ""

    @property
    def cause(self) -> str:
        """Why a process that left no word of its own is gone."""
        if self.code == REFUSED and self.output:
            return self.output
        if self.code is None:
            return f"its process was lost{self._last}"
        if self.code >= 0:
            return f"its process ended with exit status {self.code}{self._last}"
        name = signal.Signals(-self.code).name
        hint = ", perhaps by the system for want of memory" if -self.code == signal.SIGKILL else ""
        return f"its process was killed by {name}{hint}{self._last}"

    @property
    def _last(self) -> str:
        return f": {self.output}" if self.output else ""


CLUSTER = sys.maxsize  # room in which a job waits until there are as many devices


class Engine(Protocol):
    """Places jobs. The store is the truth: an engine may die at any moment, and another go on."""

    @property
    def room(self) -> int:
        """The most devices that a job may have."""

    def submit(self, job: Job) -> None:
        """Take a job; it starts as soon as there is room."""

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended since the last call, waiting at most so long for the first."""

    def stop(self) -> None:
        """Drop what has not started, ask what runs to stop, and leave nothing behind; a second call may kill."""
