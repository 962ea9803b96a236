"""What scheduling adds to many short runs: python benchmarks/scheduling.py [--runs 200] [--jobs 2] [--alone].

The overhead is the time from the first worker's birth to the last one's end, over the sum of the workers' own times
divided by the slots. A worker's own time runs from its fork to its last line of Python, as a plugin in it notes; what
the system takes to fork a process with torch in memory, and to take it down again, therefore counts as overhead. The
time before the first worker (imports of torch) and after the last (the table) is a cost of the command, not of a run,
and is told apart. Set OMP_NUM_THREADS=1 where there are as many slots as cores.

With --alone nothing is carried out: what the scheduler itself does for each run, and the memory that it takes.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from rich.console import Console

from fmbench import commands
from fmbench.engine.base import Ended, Job
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.scheduling.dispatch import run_all
from fmbench.scheduling.monitor import GridMonitor

NOTES = "FMBENCH_BENCHMARK_NOTES"
TINY = (
    "train.steps=6",
    "train.batch_size=16",
    "network.width=8",
    "network.depth=1",
    "network.time_width=4",
    "sampler.samples=128",
    "sampler.batch_size=64",
    "sampler.rtol=1e-2",
    "sampler.atol=1e-2",
)
STAMPS = f"""
import os, time
from fmbench.api import hookimpl

born, leave = [], os._exit
os.register_at_fork(after_in_child=lambda: born.append(time.monotonic()))

def leave_with_a_note(code):
    if born:
        with open(os.environ["{NOTES}"], "a") as notes:
            notes.write(f"{{born[-1]}} {{time.monotonic()}}\\n")
    leave(code)

os._exit = leave_with_a_note

@hookimpl
def fmbench_methods():
    return []
"""


def memory(process: subprocess.Popen[bytes]) -> int:
    """The highest memory that the scheduler's own process has taken while it lives, in bytes."""
    highest = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        found = [line for line in status.splitlines() if line.startswith("VmHWM")]
        highest = max(highest, int(found[0].split()[1]) * 1024) if found else highest
        time.sleep(0.1)
    return highest


def command(folder: Path, seeds: str, jobs: int, *more: str) -> list[str]:
    """The command line of a grid of one tiny run a seed."""
    settings = [part for setting in TINY for part in ("--set", setting)]
    asked = ["--methods", "fm-ot", "--seeds", seeds, "--metrics", "nfe", "--jobs", str(jobs), "--device", "cpu"]
    place = ["--results-dir", str(folder / "results"), "--plugin", str(folder / "stamps.py")]
    return [sys.executable, "-m", "fmbench", "run", *asked, *place, *settings, *more]


def measure(runs: int, jobs: int) -> None:
    """Carry out a grid, and print what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stamps.py").write_text(STAMPS)
        begun = time.monotonic()
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command(folder, str(runs), jobs),
                stdout=output,
                stderr=output,
                env={**os.environ, NOTES: str(folder / "notes.txt")},
            )
        taken: list[int] = []
        watching = threading.Thread(target=lambda: taken.append(memory(process)))
        watching.start()
        code = process.wait()
        ended = time.monotonic()
        watching.join()
        if code:
            sys.exit((folder / "output.txt").read_text())
        lines = (folder / "notes.txt").read_text().splitlines()
    stamps = [tuple(map(float, line.split())) for line in lines]
    first, last = min(birth for birth, _ in stamps), max(end for _, end in stamps)
    own, wall, count = sum(end - birth for birth, end in stamps), last - first, len(stamps)
    print(f"{count} runs on {jobs} slots, {own / count:.3f} s each: {wall:.1f} s, ideally {own / jobs:.1f} s")
    print(f"overhead {wall * jobs / own - 1:.1%}, {(wall * jobs - own) / count * 1e3:.0f} ms a run")
    print(f"before the first worker {first - begun:.1f} s, after the last {ended - last:.1f} s")
    print(f"highest memory of the scheduler {taken[0] / 2**20:.0f} MiB")


class Nowhere:
    """An engine whose processes are gone at once."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Take it."""
        self._jobs.append(job)

    def wait(self, seconds: float) -> list[Ended]:
        """The next one is gone."""
        del seconds
        return [Ended(self._jobs.popleft(), None, 0.0)]

    def stop(self) -> None:
        """Nothing is left."""


def alone(runs: int) -> None:
    """Schedule runs that nobody carries out."""
    plugins = load_plugins(environ={})
    monitor = GridMonitor(Console(file=io.StringIO()))
    before = resident()
    grid = commands.plan(plugins, methods=["fm-ot"], seeds=list(range(runs)), metrics=["nfe"], assignments=TINY)
    with tempfile.TemporaryDirectory() as folder:
        cells = commands.locate(grid, Path(folder))
        begun = time.monotonic()
        run_all(cells, plugins, Path(folder), Nowhere(), Execution("cpu"), monitor)
        seconds = time.monotonic() - begun
    print(f"{runs} runs that nobody carries out: {seconds / runs * 1e3:.1f} ms each, {seconds:.1f} s")
    print(f"memory {before / 2**20:.0f} MiB before, {resident() / 2**20:.0f} MiB at most")


def resident() -> int:
    """The highest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    if asked.alone:
        alone(asked.runs)
    else:
        measure(asked.runs, asked.jobs)
