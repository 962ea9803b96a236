"""Large data, prepared once: arrays beside the cache that all processes map into memory, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from fmbench.data.base import Dataset, Levels
from fmbench.data.downloads import cache_folder, claimed
from fmbench.errors import FmbenchError, Unavailable
from fmbench.progress import watcher

Arrays = Mapping[str, Iterable[NDArray[Any]]]
"""By name, the blocks that are laid one after the other; what is larger than the memory comes in many."""
LEVELS = 256  # of a byte
DIGITS = 12  # of a digest, in the name of a folder


def prepared(name: str, digest: str, make: Callable[[], Arrays]) -> tuple[dict[str, Tensor], Path]:
    """Arrays, made from a dataset's files where that was not done before, and the folder that has them.

    They are written beside their folder under another name, and renamed when whole: a process that is killed leaves
    nothing under the name, and of two that prepare at once the second waits for the first.

    Args:
        name: of the dataset.
        digest: of the files that they are made from.
        make: reads these files.

    Raises:
        FmbenchError: the file system refuses, as where no room is left.
    """
    try:
        folder = cache_folder() / name / f"prepared-{digest[:DIGITS]}"
    except Unavailable as error:
        raise FmbenchError(f"dataset {name}: {error}") from error
    if not folder.is_dir():
        write(folder, make)
    # Copied on write: torch wants memory that it could write to, and no file is ever changed.
    arrays = {path.stem: torch.from_numpy(np.load(path, mmap_mode="c")) for path in sorted(folder.glob("*.npy"))}
    return arrays, folder


def prepared_dataset(name: str, digest: str, make: Callable[[], Arrays]) -> Dataset:
    """A dataset of levels from `train` and `test`, and `train-labels` and `test-labels` where it has them."""
    arrays, where = prepared(name, digest, make)
    labels = {split: arrays.get(f"{split}-labels") for split in ("train", "test")}
    return Dataset(
        name=name,
        train=arrays["train"],
        test=arrays["test"],
        transform=Levels(LEVELS),
        train_labels=None if labels["train"] is None else labels["train"].long(),
        test_labels=None if labels["test"] is None else labels["test"].long(),
        where=str(where),
    )


def write(folder: Path, make: Callable[[], Arrays]) -> None:
    """Write arrays into a folder that is not there, unless another process does.

    Raises:
        FmbenchError: the file system refuses.
    """
    part = folder.with_name(f"{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with claimed(folder.with_name(f"{folder.name}.lock")):
            if folder.is_dir():
                return
            watcher().stage(f"prepare {folder.parent.name}", 1)
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed: a live one would have the lock
            try:
                part.mkdir()
                for key, blocks in make().items():
                    append(part / f"{key}.npy", blocks)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or error
        raise FmbenchError(f"cannot prepare {folder} ({reason}): set FMBENCH_CACHE to a folder with room") from error


def append(path: Path, blocks: Iterable[NDArray[Any]]) -> None:
    """An array file of blocks along the first axis, one in memory at a time.

    The header is written again with the number of rows: NumPy leaves room in it for any such number.
    """
    rows = 0
    with path.open("wb") as stream:
        for block in blocks:
            facts = npy.header_data_from_array_1_0(np.ascontiguousarray(block))
            if not rows:
                npy.write_array_header_1_0(stream, facts)
            block.tofile(stream)
            rows += len(block)
        stream.seek(0)
        npy.write_array_header_1_0(stream, {**facts, "shape": (rows, *block.shape[1:])})
