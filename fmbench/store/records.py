"""What the files of a run say: typed, versioned records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from fmbench.config import RunRequest, TrainingRequest
from fmbench.errors import FmbenchError
from fmbench.specs import Scalar
from fmbench.store import files, migrations

State = Literal["queued", "running", "done", "failed", "timeout"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record; keys of the same schema that this version does not know are ignored.

    A large store has hundreds of thousands of them, which msgspec reads and checks in a third of pydantic's time.

    Args:
        schema_: version of the file that it was read from, brought up to date; None where it was not read.
    """

    schema_: int | None = msgspec.field(default=None, name="schema")

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


class JobRecord(Record, frozen=True, kw_only=True):
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


class MetricRecord(Record, frozen=True, kw_only=True):
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


class TrainingSummary(Record, frozen=True, kw_only=True):
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


def parse(kind: type[RecordT], content: bytes, where: Path | str) -> RecordT:
    """The record that a file, or a line of one, holds.

    Raises:
        NotJsonError: it is not JSON.
        FmbenchError: it is not such a record, or a newer version wrote it.
    """
    try:
        record: RecordT = decoder(kind).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # what is wrong with it, if anything, shows below
    else:
        if record.schema_ == migrations.SCHEMA:
            return record
    return validated(kind, files.parse_json(content, where), where)


def parse_lines(kind: type[RecordT], content: bytes, where: Path | str) -> list[RecordT]:
    """The records in the lines of a file; lines that a crash tore are skipped.

    Raises:
        FmbenchError: a line is not such a record, or a newer version wrote it.
    """
    try:
        records: list[RecordT] = decoder(kind).decode_lines(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # one by one, below
    else:
        if len(records) == content.count(b"\n") and {one.schema_ for one in records} <= {migrations.SCHEMA}:
            return records
    return [record for _, record in split(kind, content, where)]


def split(kind: type[RecordT], content: bytes, where: Path | str) -> Iterator[tuple[bytes, RecordT]]:
    """Each line of a file beside its record; lines that a crash tore are skipped.

    Raises:
        FmbenchError: a line is not such a record, or a newer version wrote it.
    """
    for line in content.splitlines():
        try:
            yield line, parse(kind, line, where)
        except files.NotJsonError:
            continue


def validated(kind: type[RecordT], content: Any, where: Path | str) -> RecordT:
    """The record of a JSON value, brought up to date first.

    Raises:
        FmbenchError: it is not such a record, or a newer version wrote it.
    """
    if not isinstance(content, dict):
        raise FmbenchError(f"{where} is not a record of fmbench: move the run's directory away")
    try:
        return msgspec.convert(migrations.upgrade(content, where), kind, dec_hook=section)
    except msgspec.ValidationError as error:
        key, problem = fault(error)
        raise FmbenchError(f"{where} is damaged at {key!r} ({problem}): move the run's directory away") from error


@cache
def decoder(kind: type[RecordT]) -> msgspec.json.Decoder[RecordT]:
    """What reads records of a kind."""
    return msgspec.json.Decoder(kind, dec_hook=section)


def section(kind: type[BaseModel], content: Any) -> BaseModel:
    """A part of a record that is a configuration, as msgspec asks for it.

    Raises:
        ValidationError: it is none.
    """
    return kind.model_validate(content)


def dumped(part: BaseModel) -> Any:
    """Such a part as JSON."""
    return part.model_dump(mode="json")


def fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """The dotted key at which a record is wrong, and what is wrong there."""
    problem, _, place = str(error).partition(" - at `$")
    path = [place.rstrip("`").lstrip(".")]
    if isinstance(error.__cause__, ValidationError):  # of a section
        first = error.__cause__.errors()[0]
        path += map(str, first["loc"])
        problem = first["msg"]
    missing = re.search(r"missing required field `(\w+)`", problem)
    path += [missing[1]] if missing else []
    return ".".join(filter(None, path)), problem
