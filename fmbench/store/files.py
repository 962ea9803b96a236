"""Writing that survives a crash: whole files by rename, logs by appended lines."""

from __future__ import annotations

import io
import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fmbench.errors import FmbenchError


class NotJsonError(FmbenchError):
    """A file, or a line of one, is not JSON."""


def part_of(path: Path) -> Path:
    """Where a file or folder is while it is written: beside its place, hidden."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def is_part(name: str) -> bool:
    """Whether a name is one of `part_of`."""
    return re.fullmatch(r"\..+\.\d+\.part", name) is not None


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file so that a reader finds either the old content or all of the new one.

    Raises:
        FmbenchError: the file system refuses.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise FmbenchError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part.exists():
            part.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    write_atomically(path, write)


def write_text(path: Path, text: str) -> None:
    """Write text atomically, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def lines(values: Iterable[Any]) -> bytes:
    """JSON lines."""
    return "".join(json.dumps(value, sort_keys=True) + "\n" for value in values).encode()


def add_lines(path: Path, values: Iterable[Any]) -> None:
    """Append JSON lines so that a reader finds all of them or none.

    Raises:
        FmbenchError: the file system refuses.
    """
    before = read_bytes(path) or b""
    if before and not before.endswith(b"\n"):
        before += b"\n"  # a torn line spoils no line after it
    write_bytes(path, before + lines(values))


def append_lines(path: Path, values: Iterable[Any]) -> None:
    """Append JSON lines and flush them.

    A line that a crash tore is first completed by a newline, so that it spoils no line after it.

    Raises:
        FmbenchError: the file system refuses.
    """
    content = lines(values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as stream:
            if stream.tell() and not ends_with_newline(stream):
                stream.write(b"\n")
            stream.write(content)
    except OSError as error:
        raise FmbenchError(f"cannot write {path}: {error.strerror or error}") from error


def append_traceback(path: Path, said: str) -> None:
    """Append the exception that is being handled to a log, under what it came of."""
    with path.open("a") as stream:
        stream.write(f"{said}:\n{traceback.format_exc()}\n")


def ends_with_newline(stream: BinaryIO) -> bool:
    """Whether the last byte of a non-empty file is a newline; leaves the position at the end."""
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"


def read_lines(path: Path) -> Iterator[Any]:
    """The JSON lines of a file that may not exist; lines that a crash tore are skipped."""
    for line in (read_bytes(path) or b"").splitlines():
        try:
            yield parse_json(line, path)
        except NotJsonError:
            continue


def read_json(path: Path) -> Any:
    """The JSON of a file.

    Raises:
        FmbenchError: it is not there, cannot be read or is not JSON.
    """
    content = read_bytes(path)
    if content is None:
        raise FmbenchError(f"{path} is not there: move the run's directory away and run again")
    return parse_json(content, path)


def parse_json(content: bytes, path: Path | str) -> Any:
    """The JSON that a file holds.

    Raises:
        NotJsonError: it is not JSON.
    """
    try:
        return json.loads(content)
    except ValueError as error:
        raise NotJsonError(f"{path} is not JSON ({error}): move the run's directory away and run again") from error


def read_bytes(path: Path | str) -> bytes | None:
    """What a file holds; None where there is none.

    Raises:
        FmbenchError: it cannot be read.
    """
    try:
        with io.FileIO(path) as stream:  # a large store has tens of thousands of small files: no buffer for each
            return stream.readall()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FmbenchError(f"cannot read {path}: {error.strerror or error}") from error
