"""ImageNet at 32 x 32 and 64 x 64 pixels (Chrabaszcz et al. 2017): 1 331 167 pictures, 256 levels a channel."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from fmbench.data.base import Dataset
from fmbench.data.downloads import AGAIN
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError, describe
from fmbench.registry.digests import IMAGENET_32, IMAGENET_64

URL = "https://www.image-net.org/data/downsample"
HINT = "fetch it by hand with an account of image-net.org"
SMALL = Source("imagenet32", URL, IMAGENET_32, HINT)
LARGE = Source("imagenet64", URL, IMAGENET_64, HINT)


def imagenet32() -> Dataset:
    """1 281 167 pictures of a thousand classes for training; the 50 000 of the validation set for testing.

    Raises:
        FmbenchError: an archive cannot be had, or is not what it should be.
    """
    return dataset(SMALL, 32)


def imagenet64() -> Dataset:
    """The same at 64 x 64.

    Raises:
        FmbenchError: an archive cannot be had, or is not what it should be.
    """
    return dataset(LARGE, 64)


def dataset(source: Source, side: int) -> Dataset:
    """One of the two, from the archives of NumPy's arrays; those of pickles hold the same."""

    def make() -> Arrays:
        files = {"train": [name for name in source.digests if "train" in name]}
        files["test"] = [name for name in source.digests if "val" in name]
        for names in files.values():
            for name in names:
                source.file(name)  # all of them, before the first is read
        rows = partial(blocks, source)
        pictures = {split: (pixels(part, side) for part in rows(names, "data")) for split, names in files.items()}
        return pictures | {f"{split}-labels": map(counted, rows(names, "labels")) for split, names in files.items()}

    digest = hashlib.sha256("".join(source.digests.values()).encode()).hexdigest()
    return prepared_dataset(source.name, digest, make)


def blocks(source: Source, names: list[str], key: str) -> Iterator[NDArray[np.generic]]:
    """An array of each batch in some archives, one after the other.

    Raises:
        FmbenchError: an archive does not hold it.
    """
    for name in names:
        path = source.locate(name)
        try:
            with zipfile.ZipFile(path) as archive:
                batches = [member for member in archive.namelist() if member.endswith(".npz")]
                for batch in sorted(batches, key=lambda member: (len(member), member)):  # 2 comes before 10
                    with np.load(BytesIO(archive.read(batch))) as arrays:
                        yield arrays[key]
        except (zipfile.BadZipFile, OSError, EOFError, KeyError, ValueError) as error:
            raise FmbenchError(f"{path}: holds no such batches ({describe(error)}); {AGAIN}") from error
        if not batches:
            raise FmbenchError(f"{path}: holds no batches (.npz); {AGAIN}")


def pixels(rows: NDArray[np.generic], side: int) -> NDArray[np.uint8]:
    """(n, 3, side, side) of (n, 3 * side^2): reds, greens, blues, each row by row."""
    return rows.astype(np.uint8, casting="safe").reshape(-1, 3, side, side)


def counted(labels: NDArray[np.generic]) -> NDArray[np.int64]:
    """The classes from 0; the files count them from 1."""
    return labels.astype(np.int64) - 1
