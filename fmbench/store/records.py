"""What the files of a run say: typed, versioned records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fmbench.config import TrainingRequest
from fmbench.specs import Scalar
from fmbench.store.migrations import SCHEMA

State = Literal["queued", "running", "done", "failed", "timeout"]


class Record(BaseModel):
    """A record; keys of the same schema that this version does not know are ignored."""

    model_config = ConfigDict(frozen=True)
    schema_: int = SCHEMA

    def dump(self) -> dict[str, Any]:
        """As JSON, with the schema version under "schema"."""
        content = self.model_dump(mode="json")
        return {"schema": content.pop("schema_"), **content}


class RunRecord(Record):
    """run.json: what was asked.

    `id` covers the seed, `config_id` does not; `overrides` is what differs from the dataset's defaults; `family` is
    the method's.
    """

    id: str
    config_id: str
    request: TrainingRequest
    overrides: dict[str, Scalar] = {}
    family: str = ""


class StatusRecord(Record):
    """status.json: where the run stands, and why it failed if it did."""

    state: State
    stage: Literal["train", "evaluate"] = "train"
    step: int = 0
    steps: int = 0
    reason: str = ""


NOT_APPLICABLE = "n/a"


class MetricRecord(Record):
    """A line of metrics.jsonl: one number and how it was measured.

    Args:
        metric: name of the metric that measured it.
        name: name of the number; a metric may give several.
        value: None where it is unavailable, with `reason` saying why; NOT_APPLICABLE where it cannot exist.
        error: standard error of `value` from the randomness of its measurement on these weights, where known.
        unit: as "bits/dim"; "" for a pure number.
        family: of a likelihood; or the feature extractor of a distance.
        n: how many points it is over.
        protocol: what was asked: numbers are compared only under equal protocols.
        details: what else was seen while measuring, as the digest of the features or the calls of a likelihood.
        evaluation: how the evaluation differed from the defaults, by dotted key.
        seconds: what it took.
        measured_at: when the measurement began (UTC); the numbers of one measurement share it.
    """

    metric: str
    name: str
    value: float | None
    error: float | None = None
    unit: str = ""
    family: str = ""
    n: int = 0
    protocol: dict[str, Any] = {}
    details: dict[str, Any] = {}
    evaluation: dict[str, Scalar] = {}
    reason: str = ""
    seconds: float = 0.0
    measured_at: str = ""


class TrainingSummary(Record):
    """training.json: what the training cost; written once, when it ends.

    `flops` are those of the last optimiser step, by torch's counter, times the steps, a teacher's included (and under
    a budget of FLOPs those of the preparation); None of a method that makes no steps. `steps` are its own; `devices`
    shared each batch, each in `micro_batches` parts.
    """

    params: int
    seconds: float
    images: int
    images_per_second: float
    peak_memory_bytes: int
    final_loss: float | None
    flops: float | None = None
    steps: int | None = None
    devices: int = 1
    micro_batches: int = 1
