"""The second half of a run: measure what is asked and not yet there, one metric at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from msgspec import structs
from torch import Tensor

from fmbench.errors import FmbenchError, SolverError, Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.registry.names import Registry
from fmbench.registry.specs import MetricSpec
from fmbench.request.schema import RunRequest, slug_of
from fmbench.store import files, pictures
from fmbench.store.coverage import inapplicable, measured
from fmbench.store.records import NOT_APPLICABLE, MetricRecord
from fmbench.store.run import RunDirectory

SHOWN = {"image": 100, "vector": 2000}  # samples kept for pictures


def evaluate(
    run: RunRequest,
    directory: RunDirectory,
    evaluation: Evaluation,
    metrics: Registry[MetricSpec],
    wanted: Iterable[str],
) -> None:
    """Measure the metrics that are wanted; every number is written as soon as it is known."""
    directory.add_metrics(
        MetricRecord(metric=name, name=name, value=None, evaluation=run.evaluation_overrides, reason=NOT_APPLICABLE)
        for name in inapplicable(run, directory)
    )
    kept = False
    for name in wanted:
        known = measured(run, directory.metrics(), name)
        if known and not any(record.evaluation == run.evaluation_overrides for record in known):
            # Measured under another name of the same protocol.
            same = [record for record in known if record.evaluation == known[0].evaluation]
            directory.add_metrics(structs.replace(record, evaluation=run.evaluation_overrides) for record in same)
            continue
        spec = metrics.get(name)
        metric: Metric = spec.load()(**run.evaluation.metrics[name])
        begun, measured_at = time.perf_counter(), datetime.now(UTC).isoformat()
        try:
            values = metric.measure(evaluation)
        except (Unavailable, SolverError, FmbenchError) as error:
            values = [MetricValue(name, None, reason=str(error))]
        cost = round(time.perf_counter() - begun, 3)
        drawn = evaluation.first_drawn()
        if drawn is not None and not kept:  # first: once its numbers stand, nobody draws them again
            keep_samples(run, directory, drawn.raw[: SHOWN[evaluation.dataset_spec.kind]])
            kept = True
        keep_pictures(run, directory, name, evaluation.kept())
        directory.add_metrics(records(run, spec, values, seconds=cost, measured_at=measured_at))


def records(run: RunRequest, metric: MetricSpec, values: Iterable[MetricValue], **facts: Any) -> list[MetricRecord]:
    """Values with the protocol that they were measured under; one that is not finite is missing, and says so.

    A stranger's metric may give NumPy's numbers, or tensors: they are written as numbers. What its spec says of a
    number is written beside it, for tables are made without the plugin.
    """
    common = {"protocol": run.evaluation.protocol(metric.name), "evaluation": run.evaluation_overrides, **facts}
    return [MetricRecord(metric=metric.name, **common, **described(value, metric)) for value in values]


def described(value: MetricValue, metric: MetricSpec) -> dict[str, Any]:
    """The fields of a value, with what its metric's spec says of it."""
    value = plain(value) if finite(value) else replace(value, value=None, reason=f"is {value.value}")
    declared = metric.number(value.name)
    if declared is None:
        return vars(value)
    own = {} if declared.name in NUMBERS else {"number": declared}
    return {**vars(value), "unit": value.unit or declared.unit, **own}


def plain(value: MetricValue) -> MetricValue:
    """A value with Python's numbers."""
    number, error = (None if part is None else float(part) for part in (value.value, value.error))
    return replace(value, value=number, error=error, n=int(value.n))


def finite(value: MetricValue) -> bool:
    """Whether a number is one, or is missing already."""
    return value.value is None or math.isfinite(value.value)


def keep_samples(run: RunRequest, directory: RunDirectory, raw: Tensor) -> None:
    """A few samples as raw data, for pictures."""
    path = directory.samples_by(run.evaluation.sampler.name, run.evaluation.sampler.steps)
    files.write_atomically(path, lambda stream: np.save(stream, raw.numpy(), allow_pickle=False))


def keep_pictures(run: RunRequest, directory: RunDirectory, metric: str, arrays: Mapping[str, np.ndarray]) -> None:
    """What a metric left, if anything, under its name and what sets the evaluation apart from the default one."""
    if arrays:
        label = "-".join(filter(None, [metric, slug_of(run.evaluation_overrides)]))
        pictures.write(directory.pictures / f"{label}{pictures.SUFFIX}", arrays)
