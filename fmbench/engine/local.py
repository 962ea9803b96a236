"""This machine's GPUs or cores, shared by several runs: each is a process forked from a server that is warm already."""

from __future__ import annotations

import math
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fmbench.engine.base import GRACE, Ended, Job
from fmbench.engine.forkclient import ForkServerClient
from fmbench.engine.process import last_line
from fmbench.errors import FmbenchError
from fmbench.run.reporter import SLOT

TICK = 0.5  # seconds between two looks at the clock


@dataclass(frozen=True)
class Slot:
    """Room for one process: a share of a GPU, or of the cores."""

    name: str
    gpu: str | None = None


def slots_of(jobs: int, gpus: str | None, per_gpu: int) -> list[Slot]:
    """`per_gpu` slots on each of the GPUs ("0,1" or "all"), in turn; `jobs` slots on the cores where none are named.

    Raises:
        FmbenchError: both are asked for, or there are no such GPUs.
    """
    if gpus is None:
        if per_gpu > 1:
            raise FmbenchError("--per-gpu: name the GPUs with --gpus 0,1 or --gpus all")
        return [Slot(str(index)) for index in range(jobs)]
    if jobs > 1:
        raise FmbenchError("--jobs and --gpus: give one; --per-gpu says how many runs share a GPU")
    listed = dict.fromkeys(visible_gpus() if gpus == "all" else [part.strip() for part in gpus.split(",")])
    if not listed or "" in listed:
        raise FmbenchError(f"--gpus {gpus!r}: " + ("no GPU is found here" if gpus == "all" else "write 0,1 or all"))
    return [Slot(f"gpu {gpu}", gpu) for _ in range(per_gpu) for gpu in listed]


def visible_gpus() -> list[str]:
    """The GPUs of this machine that CUDA would see."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [part for part in named.split(",") if part]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]


@dataclass
class _Running:
    job: Job
    slots: list[Slot]
    begun: float
    deadline: float
    pid: int = 0
    overdue: bool = False


class Local:
    """Slots on this machine.

    Args:
        slots: room for so many processes at once.
        plugins: files of further plugins.
        timeout: seconds that a run may take; None for ever.
    """

    def __init__(self, slots: Sequence[Slot], *, plugins: Sequence[Path] = (), timeout: float | None = None) -> None:
        self._slots, self._free = tuple(slots), list(slots)
        self._plugins, self._timeout = plugins, math.inf if timeout is None else timeout
        self._waiting: deque[Job] = deque()
        self._running: dict[int, _Running] = {}
        self._count = 0
        self._server: ForkServerClient | None = None

    @property
    def room(self) -> int:
        """As many as there are GPUs, or slots."""
        return len({slot.gpu or slot.name for slot in self._slots})

    def submit(self, job: Job) -> None:
        """Queue it, and let the server import what it needs while the scheduler prepares the next."""
        self._waiting.append(job)
        self._start()

    def wait(self, seconds: float) -> list[Ended]:
        """Start what there is room for, and collect what has ended.

        Raises:
            FmbenchError: no process can be started.
        """
        server = self._start()
        self._fill(server)
        self._end_overdue(server)
        ended = []
        for told in server.listen(min(seconds, TICK)):
            if "started" in told:
                self._running[told["started"]].pid = told["pid"]
            elif "ended" in told:
                ended.append(self._ended(told["ended"], told["code"]))
        if server.lost:
            ended += [self._ended(number, None, server.last_words) for number in list(self._running)]
            server.end()
            self._server = None
        return ended

    def stop(self) -> None:
        """Ask what runs to stop, and wait until it has; interrupted, kill it.

        Raises:
            KeyboardInterrupt: it was interrupted.
        """
        self._waiting.clear()
        if self._server is None:
            return
        try:
            self._server.close()
        except KeyboardInterrupt:
            for running in self._running.values():
                kill_group(running.pid)
            raise
        finally:
            self._server.end()
            self._server = None

    def _start(self) -> ForkServerClient:
        self._server = self._server or ForkServerClient(self._plugins, len(self._slots))
        return self._server

    def _fill(self, server: ForkServerClient) -> None:
        """Start the jobs at the head of the queue, as long as there is room for the first."""
        while self._waiting:
            taken = choose(self._free, self._waiting[0].devices)
            if taken is None:
                return
            job = self._waiting.popleft()
            for slot in taken:
                self._free.remove(slot)
            self._count, now = self._count + 1, time.monotonic()
            self._running[self._count] = _Running(job, taken, now, now + self._timeout)
            environment = {SLOT: ", ".join(slot.name for slot in taken)}
            gpus = [slot.gpu for slot in taken if slot.gpu is not None]
            if gpus:
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
            place = str(job.directory.path.resolve())
            server.ask({"start": self._count, "directory": place, "devices": job.devices, "environment": environment})

    def _end_overdue(self, server: ForkServerClient) -> None:
        """Ask what takes too long to stop, and kill it where it does not."""
        now = time.monotonic()
        for number, running in self._running.items():
            if now > running.deadline:
                server.ask({"kill": number, "signal": signal.SIGKILL if running.overdue else signal.SIGTERM})
                running.overdue, running.deadline = True, now + GRACE

    def _ended(self, number: int, code: int | None, output: str = "") -> Ended:
        running = self._running.pop(number)
        self._free += running.slots
        self._free.sort(key=self._slots.index)
        if code is None:
            kill_group(running.pid)
        seconds = time.monotonic() - running.begun
        output = last_line(running.job.directory.output) or output
        return Ended(running.job, code, seconds, running.overdue, output)


def choose(free: Sequence[Slot], devices: int) -> list[Slot] | None:
    """Slots for a run, each on a GPU of its own; None where there is no room."""
    by_gpu: dict[str, Slot] = {}
    for slot in free:
        by_gpu.setdefault(slot.gpu or slot.name, slot)
    return list(by_gpu.values())[:devices] if len(by_gpu) >= devices else None


def kill_group(pid: int) -> None:
    """Kill a process with all that it has started; 0 is none."""
    if pid:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
