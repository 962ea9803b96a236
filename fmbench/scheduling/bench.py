"""How fast this machine is: the methods of a configuration for a few seconds each, kept where estimates find it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench.registry.plugins import Plugins
from fmbench.request.configuration import configuration
from fmbench.request.files import DEFAULT_CONFIG, merge, read_config
from fmbench.request.grid import resolve
from fmbench.request.schema import RunRequest
from fmbench.scheduling.dispatch import PlannedRun
from fmbench.store.records import MetricRecord
from fmbench.store.run import BENCH, RunDirectory

SAMPLES = 256  # enough for a rate, and for every default metric on the digits
MIXED = "bf16-mixed"


@dataclass(frozen=True)
class Pace:
    """What a method does in a second.

    Args:
        run: in float32.
        params: of its networks.
        steps: of training, in float32; None where it makes none, or failed.
        mixed: the same in bf16-mixed.
        flops: of training in float32.
        samples: drawn by its headline sampler, in float32 as all that is measured.
        nfe: calls of the network per sample.
        points: of the test set whose likelihood was had.
    """

    run: RunRequest
    params: int | None = None
    steps: float | None = None
    mixed: float | None = None
    flops: float | None = None
    samples: float | None = None
    nfe: float | None = None
    points: float | None = None


def plan(plugins: Plugins, config: str | None, seconds: float, results: Path) -> list[PlannedRun]:
    """Short runs of every method of a configuration on each of its datasets, each with its directory.

    One seed, `seconds` of training and SAMPLES samples, in float32; and the training alone again in bf16-mixed.

    Args:
        plugins: what there is to choose from.
        config: path of a YAML file or name of a shipped one; None for the default one.
        seconds: that each trains.
        results: the store beside which it is kept.

    Raises:
        FmbenchError: the configuration makes no sense.
    """
    tree = read_config(config or DEFAULT_CONFIG)
    asked = [shortened(tree, seconds), merge(shortened(tree, seconds), {"train": {"precision": MIXED}, "metrics": []})]
    runs = [run for part in asked for run in resolve(configuration(part, plugins), plugins).runs]
    return [(run, RunDirectory.of(results / BENCH, run)) for run in runs]


def shortened(tree: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """A configuration cut to what tells its pace; what it sweeps is left at its default."""
    train = {key: value for key, value in tree.get("train", {}).items() if key not in ("steps", "precision")}
    sampler = {**tree.get("sampler", {}), "samples": SAMPLES, "draws": 1}
    short = {**tree, "train": train, "sampler": sampler, "budget": {"seconds": seconds}, "seeds": [0]}
    short.pop("sweep", None)
    return short


def forget(planned: Sequence[PlannedRun]) -> None:
    """Remove what an earlier bench left of these runs: a machine's pace is that of today."""
    for _, directory in planned:
        shutil.rmtree(directory.path, ignore_errors=True)


def paces(planned: Sequence[PlannedRun]) -> list[Pace]:
    """What was measured, one for each method on each dataset."""
    mixed = {key(run): trained(directory) for run, directory in planned if run.training.train.precision == MIXED}
    return [
        pace(run, directory, mixed.get(key(run), {}).get("steps"))
        for run, directory in planned
        if run.training.train.precision != MIXED
    ]


def key(run: RunRequest) -> tuple[str, str]:
    """Dataset and method."""
    return run.training.dataset.name, run.training.method.name


def pace(run: RunRequest, directory: RunDirectory, mixed: float | None) -> Pace:
    """What a run in float32 tells."""
    found = {record.name: record for record in directory.metrics() if record.value is not None}
    summary = directory.training()
    return Pace(
        run,
        params=summary.params if summary else None,
        mixed=mixed,
        samples=1000 / seconds if (seconds := number(found, "sample-seconds")) else None,
        nfe=number(found, "nfe"),
        points=found["nll"].n / found["nll"].seconds if "nll" in found else None,
        **trained(directory),
    )


def number(found: Mapping[str, MetricRecord], name: str) -> float | None:
    """The number of a name, where there is one."""
    return found[name].value if name in found else None


def trained(directory: RunDirectory) -> dict[str, float | None]:
    """Steps and FLOPs per second of a training, what came before its first step included."""
    summary = directory.training()
    if summary is None or not summary.steps:
        return {}
    flops = None if summary.flops is None else summary.flops / summary.seconds
    return {"steps": summary.steps / summary.seconds, "flops": flops}
