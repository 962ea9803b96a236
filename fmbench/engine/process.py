"""One run as a process of its own, from start to end: for engines that give a run a process to wait in."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fmbench.engine.base import GRACE
from fmbench.run.reporter import SLOT
from fmbench.store.run import RunDirectory


def command(directory: RunDirectory, devices: int) -> list[str]:
    """The command line that carries out a run."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices)] if devices > 1 else []
    return [sys.executable, *launcher, "-m", "fmbench.run.worker", str(directory.path)]


@dataclass(frozen=True)
class Result:
    """A process that has ended: its exit status (negative: the signal), and whether it was too slow and stopped."""

    code: int
    seconds: float
    timeout: bool


class RunProcess:
    """A started run.

    Args:
        directory: of the run.
        devices: processes that share it.
        slot: where it runs, for people.
    """

    def __init__(self, directory: RunDirectory, devices: int, slot: str) -> None:
        self._begun = time.monotonic()
        environment = {**os.environ, SLOT: slot}
        with directory.output.open("wb") as output:
            self._process = subprocess.Popen(
                command(directory, devices),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    def wait(self, timeout: float | None) -> Result:
        """Wait for its end; past the timeout, stop it."""
        late = not self._ends_within(math.inf if timeout is None else timeout)
        if late:
            self.stop()
        return Result(self._process.wait(), time.monotonic() - self._begun, late)

    def stop(self) -> None:
        """Ask it to stop, and kill it with all that it started if it does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
            if self._ends_within(GRACE):
                return

    def _ends_within(self, seconds: float) -> bool:
        """Whether it ends in time; it is not reaped, and a signal handler that interrupts a wait may wait itself."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return True
            except ChildProcessError:
                return True  # and it was reaped
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)


def last_line(path: Path) -> str:
    """The last line of a file that is not blank; "" where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 4096))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
