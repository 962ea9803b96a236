"""Reading the records of a run's files, whichever version wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from fmbench.errors import FmbenchError
from fmbench.store import files, migrations
from fmbench.store.records import RecordT


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
        if len(records) == content.count(b"\n") and {read.schema_ for read in records} <= {migrations.SCHEMA}:
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
        return msgspec.convert(kind.prepared(migrations.upgrade(content, where)), kind, dec_hook=section)
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
