"""Checkpoints: written whole or not at all, the last two kept, a damaged one passed over for the one before."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from fmbench.errors import FmbenchError
from fmbench.store.files import write_atomically

KEEP = 2


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after `step` steps, then drop all but the last KEEP."""
    write(folder, step, state)
    for old in newest_first(folder)[KEEP:]:
        old.unlink()


def write(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after `step` steps beside the others."""
    write_atomically(folder / f"step-{step:09d}.pt", lambda stream: torch.save({"step": step, **state}, stream))


def load(folder: Path, device: torch.device | str) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, or None where there is none.

    Raises:
        FmbenchError: there are checkpoints, and every one is damaged.
        OSError: one cannot be read, which says nothing of what it holds; so with a device that has no room for it.
    """
    found = newest_first(folder)
    for path in found:
        if whole(path):
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            return state
    if found:
        raise FmbenchError(f"every checkpoint in {folder} is damaged: delete that folder to train again")
    return None


def whole(path: Path) -> bool:
    """Whether a checkpoint is as it was written: an archive, each part of which has its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError):
        return False


def newest_first(folder: Path) -> list[Path]:
    """The files of a folder."""
    return sorted(folder.glob("step-*.pt"), reverse=True)
