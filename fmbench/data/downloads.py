"""Files that are fetched once: into a cache folder, whole or not at all, each with its SHA-256."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from fmbench.errors import FmbenchError, Unavailable

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

    It is written beside its path under another name, checked, and renamed when whole, so that an interrupted or
    concurrent call leaves no part of it under its name.

    Raises:
        FmbenchError: the file has another digest.
        Unavailable: it cannot be fetched or written.
    """
    if path.is_file():
        return checked(path, sha256)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part)
        found = digest_of(part)
        if found != sha256:
            raise FmbenchError(
                f"{url} sent a file of SHA-256 {found[:12]}...; put the one of SHA-256 {sha256} at {path} by hand"
            )
        part.replace(path)
    except (OSError, HTTPException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unavailable(
            f"cannot fetch {url} ({reason}); put the file by hand at {path} (SHA-256 {sha256})"
        ) from error
    finally:
        with suppress(OSError):  # it may not be there, nor its folder
            part.unlink()
    return path


def _receive(url: str, part: Path) -> None:
    """Stream what a URL gives into a file.

    Raises:
        OSError: it cannot be had, or ended early.
        HTTPException: the server does not speak HTTP.
    """
    with _opened(url) as response, part.open("wb") as stream:
        received = 0
        while block := response.read(BLOCK):
            stream.write(block)
            received += len(block)
        announced = response.headers.get("Content-Length")
        if announced is not None and received != int(announced):  # urllib takes a connection cut short for the end
            raise OSError(f"the connection ended after {received} of {announced} bytes")


def _opened(url: str) -> Any:
    """The response to a request for a URL."""
    try:
        return urllib.request.urlopen(url, timeout=TIMEOUT)
    except HTTPError as refusal:
        refusal.close()  # it holds the connection
        raise
