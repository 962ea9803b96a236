"""What of a store may go: weights of finished runs, and what an interrupted command left half written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from fmbench.errors import FmbenchError
from fmbench.store import files
from fmbench.store.locks import is_held
from fmbench.store.run import RunDirectory, find_runs, subfolders


def weights(results: Path) -> Iterator[Path]:
    """The folders of finished runs that only further measurements need: checkpoints, snapshots and the teacher.

    Raises:
        FmbenchError: a run cannot be read.
    """
    for run in idle(results):
        if run.status().state == "done":
            yield from (folder for folder in (run.checkpoints, run.snapshots, run.teacher) if folder.is_dir())


def leftovers(results: Path) -> Iterator[Path]:
    """Files and folders whose writing or removal a crash cut short; the caller holds the store's lock.

    Raises:
        FmbenchError: a folder cannot be read.
    """
    yield from temporary_folders(results)
    for run in idle(results):
        for folder, folders, names in os.walk(run.path):
            yield from (Path(folder, name) for name in sorted([*folders, *names]) if files.is_part(name))
            folders[:] = [name for name in folders if not files.is_part(name)]


def temporary_folders(results: Path) -> Iterator[Path]:
    """Those that an interrupted merge left beside the runs.

    Raises:
        FmbenchError: a folder cannot be read.
    """
    for data in subfolders(results):
        for method in subfolders(data):
            for configuration in subfolders(method):
                yield from sorted(path for path in configuration.glob(".seed-*") if files.is_part(path.name))


def idle(results: Path) -> Iterator[RunDirectory]:
    """The runs that no process carries out."""
    return (run for run in find_runs(results) if not is_held(run.path / "run.json"))


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


def remove(path: Path) -> None:
    """Remove a file or folder; a folder that takes long is out of a reader's sight at once.

    Raises:
        FmbenchError: the file system refuses.
    """
    try:
        part = path if files.is_part(path.name) else path.rename(files.part_of(path))
        discard(part)
    except OSError as error:
        raise FmbenchError(f"cannot remove {path}: {error.strerror or error}") from error


def discard(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
