"""What a large store costs to read: python benchmarks/store.py [--runs N] [--keep FOLDER].

Makes a store of N runs with made-up numbers in a temporary folder, or in one that stays (two datasets, every method of
images, as many learning rates as it takes, five seeds each; one run in fifty failed), and times whole commands on it,
each in a process of its own: the medians of three by the wall clock and of the processor's time, which other work on
the machine moves less, and the most memory that any took.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fmbench import commands
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import RunRequest, canonical
from fmbench.store.records import NOT_APPLICABLE, MetricRecord, RunRecord, StatusRecord, TrainingSummary
from fmbench.store.run import RunDirectory

COMMANDS = (["table"], *(["table", "--format", form] for form in ("csv", "md", "html")), ["status"])
ON_FEATURES = ("kid", "precision", "recall", "density", "coverage")
NUMBERS = {
    "nll": ("nll", "nfe-nll"),
    "fid": ("fid", "fid-floor", "fid-ratio"),
    "kid": ("kid", "kid-floor"),
    "prdc": tuple(name + end for name in ON_FEATURES[1:] for end in ("", "-floor")),
    "memorisation": ("nn-ratio", "copied"),
    "nfe": ("nfe", "sample-seconds"),
}
FAMILIES = {"nll": "pf-ode", "fid": "digits-v1", "fid-floor": "digits-v1", "fid-ratio": "digits-v1"}


def requests() -> Iterator[RunRequest]:
    """The cells of a grid without end."""
    plugins = load_plugins(environ={})
    methods = [spec.name for spec in plugins.methods if "image" in spec.kinds]
    for rate in itertools.count(1):
        for dataset in ("digits", "fashion-mnist"):
            said = [f"train.lr={rate * 1e-5:g}"]
            yield from commands.plan(plugins, methods=methods, dataset=dataset, seeds=range(5), assignments=said)


def numbers(run: RunRequest, chance: random.Random) -> Iterator[MetricRecord]:
    """What a run's metrics might have found."""
    said = {"evaluation": run.evaluation_overrides}
    for name in run.evaluation.inapplicable:
        yield MetricRecord(metric=name, name=name, value=None, reason=NOT_APPLICABLE, **said)
    for metric in run.evaluation.metrics:
        for name in NUMBERS.get(metric, (metric,)):
            values = [chance.uniform(1, 9) for _ in range(3)]
            yield MetricRecord(
                metric=metric,
                name=name,
                value=statistics.fmean(values),
                error=chance.uniform(0, 0.1),
                unit="bits/dim" if metric in {"nll", "vlb"} else "",
                family=FAMILIES.get(name, "digits-v1" if name.startswith(ON_FEATURES) else ""),
                n=5000,
                protocol=run.evaluation.protocol(metric),
                details={"reference": "train", "reference_n": 1437, "features_sha256": "0" * 64, "sets": values},
                seconds=chance.uniform(1, 9),
                measured_at="2026-11-22T04:49:12.668457+00:00",
                **said,
            )


def fill(root: Path, run: RunRequest, chance: random.Random) -> None:
    """A run, done or failed; written without the synchronising that a real one waits for."""
    training, failed = run.training, chance.random() < 0.02
    record = RunRecord(
        id=training.id, config_id=training.config_id, request=training, overrides=run.overrides, family=run.family
    )
    said = {"state": "failed", "reason": "loss is nan at step 9"} if failed else {"state": "done", "stage": "evaluate"}
    seconds = chance.uniform(60, 90)
    summary = TrainingSummary(
        params=758_080, seconds=seconds, images=10**6, images_per_second=10**6 / seconds, peak_memory_bytes=10**9,
        final_loss=0.1,
    )  # fmt: skip
    path = RunDirectory.of(root, run).path
    path.mkdir(parents=True)
    (path / "run.json").write_text(canonical(record.dump()))
    (path / "status.json").write_text(canonical(StatusRecord(**said, step=9, steps=2400).dump()))
    if not failed:
        (path / "training.json").write_text(canonical(summary.dump()))
        (path / "metrics.jsonl").write_text("".join(canonical(one.dump()) + "\n" for one in numbers(run, chance)))


def cost(arguments: list[str]) -> tuple[float, float, float]:
    """Seconds, the processor's among them, and MiB of one command."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fmbench", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"fmbench {' '.join(arguments)} failed")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="an empty folder, for the store to stay in")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(asked.keep or Path(folder), asked.runs)


def measure(root: Path, count: int) -> None:
    """Make the store, and time what reads it."""
    chance = random.Random(0)
    for run in itertools.islice(requests(), count):
        fill(root, run, chance)
    for arguments in COMMANDS:
        costs = [cost([*arguments, "--results-dir", str(root)]) for _ in range(3)]
        seconds, busy, memory = zip(*costs, strict=True)
        said = f"{statistics.median(seconds):.2f} s ({statistics.median(busy):.2f} s busy), {max(memory):.0f} MiB"
        print(f"{count} runs, fmbench {' '.join(arguments)}: {said}")


if __name__ == "__main__":
    main()
