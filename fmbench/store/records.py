"""What the files of a run say: typed, versioned records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fmbench.config import RunRequest, TrainingRequest
from fmbench.errors import FmbenchError
from fmbench.specs import Scalar
from fmbench.store import files, migrations

State = Literal["queued", "running", "done", "failed", "timeout"]


class Record(BaseModel):
    """A record; keys of the same schema that this version does not know are ignored."""

    model_config = ConfigDict(frozen=True)
    schema_: int = Field(default=migrations.SCHEMA, validation_alias="schema")

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
    """status.json: where the run stands, and why it failed if it did.

    Args:
        state: of the run; "running" is believed only while its process holds the run's lock.
        stage: of the two halves.
        step: optimiser steps done.
        steps: optimiser steps asked for.
        reason: why it is not done.
        doing: what the process is at, as "nll", while it runs.
        done: how much of that, out of `total`.
        total: in units of its own.
        note: what else is worth watching, as the loss and the rate.
        left: seconds that `doing` will still take, at its rate so far.
        slot: where it runs, as "gpu 1".
        host: machine of its process.
        pid: of its process.
        updated_at: UTC, for people; nothing is decided by it.
    """

    state: State
    stage: Literal["train", "evaluate"] = "train"
    step: int = 0
    steps: int = 0
    reason: str = ""
    doing: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    left: float | None = None
    slot: str = ""
    host: str = ""
    pid: int = 0
    updated_at: str = ""


class JobRecord(Record):
    """job.json: what the next process of a run is to do, and how. It is replaced with every new request.

    Args:
        runs: what is asked for, all with the same training.
        plugins: files of further plugins, absolute.
        device: "auto", "cpu" or "cuda".
        checkpoint_seconds: longest stretch of training that a crash may lose.
        snapshots: how many times the weights are kept during training.
        renew: whether to measure again what is there already.
        devices: processes that share the training.
        loggers: told of training beside train.jsonl.
    """

    runs: tuple[RunRequest, ...]
    plugins: tuple[str, ...] = ()
    device: str = "auto"
    checkpoint_seconds: float = 30.0
    snapshots: int = 0
    renew: bool = False
    devices: int = 1
    loggers: tuple[str, ...] = ()


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


RecordT = TypeVar("RecordT", bound=Record)


def parse(kind: type[RecordT], content: bytes, where: Path) -> RecordT:
    """The record that a file, or a line of one, holds.

    Raises:
        NotJsonError: it is not JSON.
        FmbenchError: it is not such a record, or a newer version wrote it.
    """
    try:
        record = kind.model_validate_json(content)
    except ValidationError:
        pass  # what is wrong with it, if anything, shows below
    else:
        if record.schema_ == migrations.SCHEMA and "schema_" in record.model_fields_set:
            return record
    return validated(kind, files.parse_json(content, where), where)


def validated(kind: type[RecordT], content: Any, where: Path) -> RecordT:
    """The record of a JSON value, brought up to date first.

    Raises:
        FmbenchError: it is not such a record, or a newer version wrote it.
    """
    if not isinstance(content, dict):
        raise FmbenchError(f"{where} is not a record of fmbench: move the run's directory away")
    try:
        return kind.model_validate(migrations.upgrade(content, where))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise FmbenchError(f"{where} is damaged at {key!r} ({first['msg']}): move the run's directory away") from error
