"""What the files of a run say: typed, versioned records."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel

from fmbench.execution import Execution
from fmbench.registry.specs import Number, Scalar
from fmbench.request.schema import RunRequest, TrainingRequest
from fmbench.store import migrations

State = Literal["queued", "running", "done", "failed", "timeout"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record; keys of the same schema that this version does not know are ignored.

    A large store has hundreds of thousands of them, which msgspec reads and checks in a third of pydantic's time.

    Args:
        schema_: version of the file that it was read from, brought up to date; None where it was not read.
    """

    schema_: int | None = msgspec.field(default=None, name="schema")

    @classmethod
    def prepared(cls, content: dict[str, Any]) -> dict[str, Any]:
        """JSON values, brought up to date, as the fields take them."""
        return content

    def dump(self) -> dict[str, Any]:
        """As JSON, with the schema version under "schema"."""
        return {**msgspec.to_builtins(self, enc_hook=dumped), "schema": migrations.SCHEMA}


class RunRecord(Record, frozen=True, kw_only=True):
    """run.json: what was asked.

    `id` covers the seed, `config_id` does not; `overrides` is what differs from the dataset's defaults; `family` is
    the method's.
    """

    id: str
    config_id: str
    request: TrainingRequest
    overrides: dict[str, Scalar] = {}
    family: str = ""


class StatusRecord(Record, frozen=True, kw_only=True):
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
        note: what else is worth a look, as the loss and the rate.
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


class JobRecord(Record, frozen=True, kw_only=True):
    """job.json: what the next process of a run is to do, and how. It is replaced with every new request.

    Args:
        runs: what is asked for, all with the same training.
        execution: how, for this training; the paths of plugins are absolute.
    """

    runs: tuple[RunRequest, ...]
    execution: Execution = Execution()


NOT_APPLICABLE = "n/a"


class Measured(Record, frozen=True, kw_only=True):
    """A line of metrics.jsonl, but for how the number was measured.

    Args:
        metric: name of the metric that measured it.
        name: name of the number; a metric may give several.
        value: None where it is unavailable, with `reason` saying why; NOT_APPLICABLE where it cannot exist.
        error: standard error of `value` from the randomness of its measurement on these weights, where known.
        unit: as "bits/dim"; "" for a pure number.
        family: of a likelihood; or the feature extractor of a distance.
        n: how many points it is over.
        evaluation: how the evaluation differed from the defaults, by dotted key.
        measured_at: when the measurement began (UTC); the numbers of one measurement share it.
        number: how it is shown, where a plugin's metric says so; not written for numbers that fmbench ships.
        code: digests of the code that decides it, as {"metric fid": ...}; not written by versions of old.
    """

    metric: str
    name: str
    value: float | None
    error: float | None = None
    unit: str = ""
    family: str = ""
    n: int = 0
    evaluation: dict[str, Scalar] = {}
    reason: str = ""
    measured_at: str = ""
    number: Number | msgspec.UnsetType = msgspec.UNSET
    code: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class MetricRecord(Measured, frozen=True, kw_only=True):
    """A line of metrics.jsonl: one number and how it was measured.

    Args:
        protocol: what was asked: numbers are compared only under equal protocols.
        details: what else was seen while measuring, as the digest of the features or the calls of a likelihood.
        seconds: what it took.
    """

    protocol: dict[str, Any] = {}
    details: dict[str, Any] = {}
    seconds: float = 0.0


class Details(msgspec.Struct, frozen=True):
    """Those that a table shows.

    Args:
        sets: of samples that the value is the mean over: the value of each.
        warning: of the measurement; None where it has none.
    """

    sets: tuple[Any, ...] = (None,)
    warning: Any = None


class TableRecord(Measured, frozen=True, kw_only=True):
    """What a table reads of a line of metrics.jsonl, in less than half the time of a MetricRecord.

    Args:
        protocol: as it is written: of hundreds of thousands of lines, equal ones are found fastest by their bytes.
        details: those that it shows.
    """

    protocol: msgspec.Raw = msgspec.Raw(b"{}")
    details: Details = Details()

    @classmethod
    def prepared(cls, content: dict[str, Any]) -> dict[str, Any]:
        """The protocol as bytes again."""
        return {**content, "protocol": msgspec.Raw(msgspec.json.encode(content.get("protocol", {})))}


class TrainingSummary(Record, frozen=True, kw_only=True):
    """training.json: what the training cost; written once, when it ends.

    `flops` are those of the last optimiser step, by torch's formulas, times the steps, a teacher's included (and under
    a budget of FLOPs those of the preparation); None of a method that makes no steps, or whose step cannot be counted.
    `steps` are its own; `devices` shared each batch, each in `micro_batches` parts. `params` are the trained ones that
    a sample needs; `training_only_params`, where there are any, those that training needed besides, as a critic's.
    By `train.compile`, `compile_seconds` are what compiling took the last process that trained, which `seconds` leave
    out, and `uncompiled` is why the networks ran uncompiled, where they did.
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
    training_only_params: int | msgspec.UnsetType = msgspec.UNSET
    compile_seconds: float | msgspec.UnsetType = msgspec.UNSET
    uncompiled: str | msgspec.UnsetType = msgspec.UNSET


RecordT = TypeVar("RecordT", bound=Record)
MeasuredT = TypeVar("MeasuredT", bound=Measured)


def dumped(part: BaseModel) -> Any:
    """Such a part as JSON."""
    return part.model_dump(mode="json")
