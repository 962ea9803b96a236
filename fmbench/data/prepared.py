"""Large data, prepared once: arrays beside the cache that all processes map into memory, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmbench.data.base import Dataset, Levels
from fmbench.data.downloads import cache_folder
from fmbench.errors import FmbenchError, Unavailable

Arrays = Mapping[str, NDArray[np.uint8]]
LEVELS = 256  # of a byte
DIGITS = 12  # of a digest, in the name of a folder


def prepared(name: str, digest: str, make: Callable[[], Arrays]) -> dict[str, Tensor]:
    """Arrays of bytes, made from a dataset's files where that was not done before.

    They are written beside their folder under another name, and renamed when whole: a process that is killed leaves
    nothing under the name, and of two that prepare at once the second takes what the first has left.

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
        write(folder, make())
    # Copied on write: torch wants memory that it could write to, and no file is ever changed.
    return {path.stem: torch.from_numpy(np.load(path, mmap_mode="c")) for path in sorted(folder.glob("*.npy"))}


def prepared_dataset(name: str, digest: str, make: Callable[[], Arrays]) -> Dataset:
    """A dataset of levels from `train`, `test`, `train-labels` and `test-labels`, prepared as above."""
    arrays = prepared(name, digest, make)
    return Dataset(
        name=name,
        train=arrays["train"],
        test=arrays["test"],
        transform=Levels(LEVELS),
        train_labels=arrays["train-labels"].long(),
        test_labels=arrays["test-labels"].long(),
    )


def write(folder: Path, arrays: Arrays) -> None:
    """Write arrays into a folder that is not there.

    Raises:
        FmbenchError: the file system refuses.
    """
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        for left in folder.parent.glob(f"{folder.name}.*.part"):
            if not alive(left):
                shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        for key, array in arrays.items():
            np.save(part / f"{key}.npy", array)
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    except OSError as error:
        reason = error.strerror or error
        raise FmbenchError(f"cannot prepare {folder} ({reason}): set FMBENCH_CACHE to a folder with room") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def alive(part: Path) -> bool:
    """Whether the process that writes a part is still there."""
    try:
        os.kill(int(part.name.split(".")[-2]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
