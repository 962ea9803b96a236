"""The second half of a run: measure what is asked and not yet there, one metric at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import torch
from msgspec import structs
from torch import Tensor

from fmbench.errors import FmbenchError, SolverError, Unavailable, describe
from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.registry.names import Registry
from fmbench.registry.specs import MetricSpec
from fmbench.request.schema import RunRequest, label_of
from fmbench.run.recording import checked, records
from fmbench.store import files, pictures
from fmbench.store.coverage import inapplicable, measured
from fmbench.store.files import append_traceback
from fmbench.store.records import NOT_APPLICABLE, MetricRecord
from fmbench.store.run import RunDirectory

SHOWN = {"image": 100, "pair": 100, "vector": 2000}  # samples kept for pictures


def evaluate(
    run: RunRequest,
    directory: RunDirectory,
    evaluation: Evaluation,
    again: Callable[[], Evaluation],
    metrics: Registry[MetricSpec],
    wanted: Mapping[str, dict[str, str]],
) -> None:
    """Measure the metrics that are wanted; every number is written as soon as it is known.

    A metric that fails costs its own cell. One that changes what all are shown costs its own cell too: the rest are
    shown the same weights, data and samples as if it had not been there.

    Args:
        run: what is asked.
        directory: where it lives.
        evaluation: what metrics are shown.
        again: gives the same afresh.
        metrics: to choose from.
        wanted: their names, each with the digests of the code that its numbers depend on.
    """
    directory.add_metrics(
        MetricRecord(metric=name, name=name, value=None, evaluation=run.evaluation_overrides, reason=NOT_APPLICABLE)
        for name in inapplicable(run, directory)
    )
    evaluation = sealed(evaluation)
    kept = False
    for name, code in wanted.items():
        known = measured(run, directory.metrics(), name)
        if known and not any(record.evaluation == run.evaluation_overrides for record in known):
            # Measured under another name of the same protocol.
            same = [record for record in known if record.evaluation == known[0].evaluation]
            directory.add_metrics(structs.replace(record, evaluation=run.evaluation_overrides) for record in same)
            continue
        spec = metrics.get(name)
        begun, measured_at = time.perf_counter(), datetime.now(UTC).isoformat()
        values = measure(spec, run, evaluation, directory)
        cost = round(time.perf_counter() - begun, 3)
        changed = evaluation.seals.broken()
        if changed:
            what = " and ".join(changed)
            values = unavailable(
                spec, f"metric {name!r} changed {what} that all metrics are shown: it must work on copies"
            )
            evaluation = sealed(again())
        drawn = evaluation.first_drawn()
        if drawn is not None and not kept:  # first: once its numbers stand, nobody draws them again
            keep_samples(run, directory, drawn.raw[: SHOWN[evaluation.dataset_spec.kind]])
            kept = True
        keep_pictures(run, directory, name, evaluation.kept())
        directory.add_metrics(records(run, spec, values, seconds=cost, measured_at=measured_at, code=code))


def sealed(evaluation: Evaluation) -> Evaluation:
    """The same, with a note of what its weights and its data are."""
    data = evaluation.dataset
    evaluation.seals.add("the weights", *evaluation.method.state_dict().values())
    evaluation.seals.add("the data", data.train, data.test)
    return evaluation


def measure(
    spec: MetricSpec, run: RunRequest, evaluation: Evaluation, directory: RunDirectory
) -> Sequence[MetricValue]:
    """A metric's numbers, or the reason why there are none: whatever it raises is its own cell's reason."""
    try:
        metric: Metric = spec.load()(**run.evaluation.metrics[spec.name])
        with torch.enable_grad():  # restored at the end, whatever it sets
            return checked(metric.measure(evaluation), spec)
    except (Unavailable, SolverError, FmbenchError) as error:
        return unavailable(spec, str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's metric or method may raise anything
        append_traceback(directory.log, spec.name)
        return unavailable(spec, f"metric {spec.name!r} failed: {describe(error)} (see log.txt)")
    finally:
        evaluation.method.eval().requires_grad_(requires_grad=False)


def unavailable(spec: MetricSpec, reason: str) -> list[MetricValue]:
    """No number, and why."""
    return [MetricValue(spec.name, None, reason=reason)]


def keep_samples(run: RunRequest, directory: RunDirectory, raw: Tensor) -> None:
    """A few samples as raw data, for pictures."""
    sampler = run.evaluation.sampler
    path = directory.samples_by(sampler.name, sampler.steps, run.evaluation_overrides)
    files.write_atomically(path, lambda stream: np.save(stream, raw.numpy(), allow_pickle=False))


def keep_pictures(run: RunRequest, directory: RunDirectory, metric: str, arrays: Mapping[str, np.ndarray]) -> None:
    """What a metric left, if anything, under its name and what sets the evaluation apart from the default one."""
    if arrays:
        label = "-".join(filter(None, [metric, label_of(run.evaluation_overrides)]))
        pictures.write(directory.pictures / f"{label}{pictures.SUFFIX}", arrays)
