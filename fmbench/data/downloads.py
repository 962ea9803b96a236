"""Files that are fetched once: into a cache folder, whole or not at all, each with its SHA-256."""

from __future__ import annotations

import fcntl
import hashlib
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request

from fmbench.errors import FmbenchError, Unavailable
from fmbench.execution import OFFLINE
from fmbench.progress import watcher

AGAIN = "delete it and fetch it again"  # what to do about a file that is damaged
TIMEOUT = 30  # seconds without a byte
BLOCK = 2**20


def cache_folder() -> Path:
    """Where fetched files are kept: FMBENCH_CACHE, else fmbench/ in the user's cache folder.

    Raises:
        Unavailable: the user has no home.
    """
    named = os.environ.get("FMBENCH_CACHE")
    if named:
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fmbench"
    except RuntimeError as error:
        raise Unavailable("this user has no home folder to keep downloads in: set FMBENCH_CACHE to a folder") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked(path: Path, sha256: str) -> Path:
    """The path of a file, which has the digest.

    Raises:
        FmbenchError: it has another one.
    """
    found = digest_of(path)
    if found != sha256:
        raise FmbenchError(f"{path}: SHA-256 is {found[:12]}..., not {sha256[:12]}...; {AGAIN}")
    return path


def fetch(url: str, path: Path, sha256: str) -> Path:
    """The path of a file, which is fetched if it is not there.

    It is written beside its path under another name, checked, and renamed when whole. What an interrupted call has
    received stays there, and the next one goes on from it; of two calls at once one waits for the other.

    Raises:
        FmbenchError: the file has another digest.
        Unavailable: it cannot be fetched or written.
    """
    if path.is_file():
        return checked(path, sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with claimed(path.with_name(f"{path.name}.part")) as part:
            if path.is_file():  # the other call has fetched it
                return checked(path, sha256)
            found = receive(url, part, sha256)
            if found != sha256:
                part.truncate(0)
                raise FmbenchError(
                    f"{url} sent a file of SHA-256 {found[:12]}...; put the one of SHA-256 {sha256} at {path} by hand"
                )
            Path(part.name).replace(path)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unavailable(
            f"cannot fetch {url} ({reason}); put the file by hand at {path} (SHA-256 {sha256})"
        ) from error
    return path


@contextmanager
def claimed(path: Path) -> Iterator[BinaryIO]:
    """A file to append to, for this process alone; it is removed if it is empty in the end."""
    while True:
        with path.open("ab+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if not is_at(stream, path):  # renamed by the process that had it before
                continue
            try:
                yield stream
            finally:
                stream.flush()
                if is_at(stream, path) and not path.stat().st_size:
                    path.unlink()
            return


def is_at(stream: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def receive(url: str, part: BinaryIO, sha256: str) -> str:
    """Fetch what lacks of a file, and all of it where what was there before does not fit; its SHA-256.

    Raises:
        OSError: it cannot be had, or ended early.
        HTTPException: the server does not speak HTTP.
    """
    begun = part.seek(0, os.SEEK_END)
    append(url, part)
    found = digest_of(Path(part.name))
    if begun and found != sha256:
        part.truncate(0)
        append(url, part)
        found = digest_of(Path(part.name))
    return found


def append(url: str, part: BinaryIO) -> None:
    """Stream what a URL gives after the bytes that a file has; from the start where the server cannot skip them.

    Raises:
        OSError: it cannot be had, or ended early.
        HTTPException: the server does not speak HTTP.
    """
    if os.environ.get(OFFLINE):
        raise OSError(f"{OFFLINE} is set")
    have = part.seek(0, os.SEEK_END)
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as refusal:
        refusal.close()  # it holds the connection
        if have and refusal.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing lacks, or what is there is of another file: its digest tells
        raise
    with response:
        if have and response.status != HTTPStatus.PARTIAL_CONTENT:
            part.truncate(0)
            have = 0
        announced, received = response.headers.get("Content-Length"), 0
        progress = watcher()
        progress.stage(f"fetch {Path(part.name).stem}", have + int(announced) if announced else 0, have)
        while block := response.read(BLOCK):
            part.write(block)
            received += len(block)
            progress.update(have + received, f"{(have + received) / 2**20:.0f} MiB")
        part.flush()
        if announced is not None and received != int(announced):  # urllib takes a connection cut short for the end
            raise OSError(f"the connection ended after {have + received} of {have + int(announced)} bytes")
