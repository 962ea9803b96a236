"""Who works on a directory: advisory locks that the kernel frees when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from fmbench import provenance
from fmbench.errors import FmbenchError

STORE_LOCK = ".lock"
PATIENCE = 30.0  # seconds


class BusyError(FmbenchError):
    """Somebody else holds the lock."""


@contextmanager
def store_lock(results: Path) -> Iterator[None]:
    """Hold a store for as long as a command changes it; a second command is told who holds it.

    Raises:
        BusyError: another command holds it.
        FmbenchError: the file system refuses.
    """
    path = results / STORE_LOCK
    try:
        results.mkdir(parents=True, exist_ok=True)
        stream = path.open("ab+")
    except OSError as error:
        raise FmbenchError(f"cannot write in {results}: {error.strerror or error}") from error
    with stream:
        if not acquire(stream):
            raise BusyError(f"{results} is in use by {holder(path)}: wait for it, or give another --results-dir")
        stream.truncate(0)
        command = " ".join(provenance.command_line())
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note = {"command": command, "host": socket.gethostname(), "pid": os.getpid(), "since": since}
        stream.write(json.dumps(note).encode())
        stream.flush()
        yield


@contextmanager
def run_lock(record: Path) -> Iterator[None]:
    """Hold a run by its run.json, which is never replaced.

    A process whose scheduler has just been killed may still be writing its checkpoint: it is waited for.

    Raises:
        BusyError: another process carries the run out.
    """
    with record.open("rb+") as stream:
        deadline = time.monotonic() + PATIENCE
        while not acquire(stream):
            if time.monotonic() > deadline:
                raise BusyError(f"another process carries out {record.parent}")
            time.sleep(0.05)
        yield


def is_held(record: Path) -> bool:
    """Whether a process carries out the run of this run.json."""
    with record.open("rb") as stream:
        return not acquire(stream, fcntl.LOCK_SH)  # a shared lock needs no right to write


def acquire(stream: BinaryIO, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file until it is closed, unless another process has.

    Raises:
        FmbenchError: the file system has no locks.
    """
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise FmbenchError(
            f"cannot lock {stream.name}: {error.strerror or error}; results must be on a file system with locks"
        ) from error
    return True


def holder(path: Path) -> str:
    """What the holder of a store said of itself."""
    try:
        note = json.loads(path.read_bytes())
        return f"'{note['command']}' (process {note['pid']} on {note['host']}, since {note['since']})"
    except (ValueError, KeyError, TypeError):
        return "another fmbench"
