"""Kill a grid at random, again and again, and see that nothing is lost: python benchmarks/soak.py --kills 200.

A small grid is run through the command line, with a checkpoint after every step. At random moments a worker, the
scheduler, the fork server or all of them are killed with SIGKILL, and the same command is given again with --retry,
until every run is done; then a new grid begins, until there were so many kills. Around every kill: what stood on disk
still stands there, and every file can be read. At the end of every grid: each number (except seconds), the averaged
weights, the logged losses and the kept samples are, bit for bit, those of a grid that nobody disturbed.

Exits with 1 and a line for every violation. Only processes that it has started are killed. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory, find_runs

SETTINGS = """
    train.steps=60 train.batch_size=16 train.warmup=2 network.width=8 network.depth=1 network.time_width=4
    sampler.samples=128 sampler.batch_size=64 sampler.draws=1 sampler.rtol=1e-2 sampler.atol=1e-2
    nll.rtol=1e-2 nll.atol=1e-2 nll.probes=1 options.reflow-2.pairs=40 options.reflow-2.solver_steps=2
"""
VICTIMS = {"worker": 24, "server": 1, "scheduler": 1, "all": 1}  # how often each, where there is a worker


class Grid:
    """A grid and its command line.

    Args:
        results: the store.
        asked: methods, seeds and jobs.
    """

    def __init__(self, results: Path, asked: argparse.Namespace) -> None:
        self.results = results
        settings = [f"--set={setting}" for setting in SETTINGS.split()]
        what = f"--methods {asked.methods} --seeds {asked.seeds} --metrics {asked.metrics} --snapshots 2 --device cpu"
        how = f"--jobs {asked.jobs} --checkpoint-every 0.001s --retry failed"
        arguments = [*f"{what} {how}".split(), *settings, f"--results-dir={results}"]
        self.command = [sys.executable, "-m", "fmbench", "run", *arguments]
        self.output = results.with_suffix(".txt")

    def start(self) -> subprocess.Popen[bytes]:
        """The command, in a process of its own."""
        with self.output.open("wb") as output:
            return subprocess.Popen(self.command, stdout=output, stderr=output, start_new_session=True)

    def running(self, scheduler: int) -> list[int]:
        """Workers under this scheduler, as their status.json says."""
        found = [directory.status() for directory in find_runs(self.results)]
        ours = descendants(scheduler)
        return [status.pid for status in found if status.state == "running" and status.pid in ours]

    def records(self) -> dict[str, dict[str, bytes]]:
        """What must never be lost: run.json, training.json and the whole lines of metrics.jsonl."""
        kept = {}
        for directory in find_runs(self.results):
            files = [directory.path / name for name in ("run.json", "training.json", "metrics.jsonl")]
            found = {path.name: path.read_bytes() for path in files if path.exists()}
            kept[str(directory.path)] = {name: text[: text.rfind(b"\n") + 1] for name, text in found.items()}
        return kept

    def violations(self, before: dict[str, dict[str, bytes]]) -> Iterator[str]:
        """What is gone since then, or cannot be read."""
        now = self.records()
        for place, files in before.items():
            for name, content in files.items():
                if not now.get(place, {}).get(name, b"").startswith(content):
                    yield f"{place}: {name} has lost something"
        for directory in find_runs(self.results):
            for path in directory.path.glob("*.json"):
                try:
                    json.loads(path.read_bytes())
                except ValueError as error:
                    yield f"{path}: {error}"
        if b"Traceback" in self.output.read_bytes():
            yield f"a traceback: {' '.join(self.output.read_text().split())[-2000:]}"

    def outcome(self) -> dict[str, dict[str, object]]:
        """What must not depend on kills, by the run's place in the store."""
        found = {}
        for directory in find_runs(self.results):
            numbers = {record.name: (record.value, record.error) for record in directory.metrics()}
            numbers.pop("sample-seconds", None)
            kept = sorted(directory.path.rglob("step-*.pt"))  # checkpoints and snapshots, and those of its teacher
            found[str(directory.path.relative_to(self.results))] = {
                "state": directory.status().state,
                "numbers": numbers,
                "losses": losses(directory),
                "teacher's losses": losses(RunDirectory(directory.teacher)),
                "weights": {str(path.relative_to(directory.path)): average(path) for path in kept},
                "samples": {path.name: path.read_bytes() for path in directory.samples.glob("*.npy")},
                "training": (directory.path / "training.json").exists(),
                "environment": sorted(json.loads((directory.path / "env.json").read_bytes())),
            }
        return found


def losses(directory: RunDirectory) -> list[tuple[int, float, float]]:
    """The log of training, without times."""
    return [(line["step"], line["loss"], line["lr"]) for line in read_lines(directory.train_log)]


def average(path: Path) -> bytes:
    """The averaged weights of a checkpoint, as bytes."""
    return bytes(torch.load(path, map_location="cpu", weights_only=True)["average"].numpy())


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have, each before its own."""
    found = []
    with suppress(OSError):
        children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        for child in children:
            found += [child, *descendants(child)]
    return found


def victims(kind: str, scheduler: int, workers: list[int], chance: random.Random) -> list[int]:
    """The processes that one kill kills."""
    below, worker = descendants(scheduler), [chance.choice(workers)] if workers else []
    return {"worker": worker, "server": below[:1], "scheduler": [scheduler], "all": [scheduler, *below]}[kind]


def disturb(grid: Grid, asked: argparse.Namespace, chance: random.Random, ends: Counter[str]) -> Iterator[str]:
    """Carry a grid out with at most so many kills in all, counted by their kind; the violations."""
    while True:
        scheduler = grid.start()
        while scheduler.poll() is None:
            time.sleep(chance.expovariate(1 / asked.pause))
            workers = grid.running(scheduler.pid)
            if ends.total() >= asked.kills or (not workers and chance.random() < 0.95):
                continue
            before = grid.records()
            kind = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            found = victims(kind, scheduler.pid, workers, chance)
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            ends[kind] += bool(found)
            yield from grid.violations(before)
        if scheduler.returncode not in (0, 1, 2, -signal.SIGKILL):
            yield f"exit status {scheduler.returncode}"
        print(f"{ends.total()} kills: exit status {scheduler.returncode}", flush=True)
        if scheduler.returncode == 0:
            return


def main(asked: argparse.Namespace) -> int:
    """Disturb grids until there were enough kills; the exit status."""
    chance, ends, found, begun, grids = random.Random(asked.seed), Counter[str](), [], time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        reference = Grid(Path(folder) / "reference", asked)
        if reference.start().wait():
            sys.exit(reference.output.read_text())
        expected = reference.outcome()
        while ends.total() < asked.kills:
            grids += 1
            grid = Grid(Path(folder) / f"grid-{grids}", asked)
            found += list(disturb(grid, asked, chance, ends))
            got = grid.outcome()
            found += [
                f"grid {grids}: {place}: {what} differ"
                for place, outcome in expected.items()
                for what, value in outcome.items()
                if got.get(place, {}).get(what) != value
            ]
            print(f"{time.monotonic() - begun:.0f} s: {grids} grids, {dict(ends)}, {len(found)} violations", flush=True)
    for line in dict.fromkeys(found):
        print(line)
    print(f"{ends.total()} kills in {grids} grids of {len(expected)} runs: {len(found)} violations")
    return int(bool(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--methods", default="fm-ot,ddpm,reflow-2")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--metrics", default="nfe,fid,nll")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds from kill to kill")
    sys.exit(main(parser.parse_args()))
