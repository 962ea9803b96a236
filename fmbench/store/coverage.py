"""Which of the numbers that a run is asked for its directory already holds. Torch-free."""

from __future__ import annotations

from fmbench.request.schema import RunRequest
from fmbench.store.records import MetricRecord
from fmbench.store.run import RunDirectory


def measured(run: RunRequest, records: list[MetricRecord], metric: str) -> list[MetricRecord]:
    """Those of a run's records that are a metric's numbers under the protocol asked for."""
    protocol = run.evaluation.protocol(metric)
    return [
        record
        for record in records
        if record.metric == metric and record.protocol == protocol and record.value is not None
    ]


def missing(run: RunRequest, directory: RunDirectory) -> list[str]:
    """The metrics asked for under this evaluation of which the store has no number."""
    records = directory.metrics()
    return [
        metric
        for metric in run.evaluation.metrics
        if not any(record.evaluation == run.evaluation_overrides for record in measured(run, records, metric))
    ]


def inapplicable(run: RunRequest, directory: RunDirectory) -> list[str]:
    """The metrics asked for that the method cannot have, of which the store does not say so yet."""
    recorded = {record.metric for record in directory.metrics() if record.evaluation == run.evaluation_overrides}
    return [metric for metric in run.evaluation.inapplicable if metric not in recorded]


def complete(run: RunRequest, directory: RunDirectory) -> bool:
    """Whether every number asked for is there."""
    if not (directory.path / "run.json").exists():
        return False
    return directory.status().state == "done" and not missing(run, directory)
