"""Street View House Numbers (Netzer et al. 2011), cropped: 99 289 colour digits, 32 x 32 pixels of 256 levels."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from fmbench.data.base import Dataset
from fmbench.data.downloads import AGAIN
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError, describe
from fmbench.registry.digests import SVHN

CLASSES = 10  # the digit 0 is class 10 in the files, and 0 here
SOURCE = Source("svhn", "http://ufldl.stanford.edu/housenumbers", SVHN)


def svhn() -> Dataset:
    """73 257 digits for training and 26 032 for testing, as published; the "extra" ones are left out.

    Raises:
        FmbenchError: a file cannot be had, or is not what it should be.
    """

    def make() -> Arrays:
        arrays: dict[str, list[NDArray[np.uint8]]] = {}
        for split in ("train", "test"):
            digits, labels = read(SOURCE.file(f"{split}_32x32.mat"))
            arrays |= {split: [digits], f"{split}-labels": [labels]}
        return arrays

    digest = hashlib.sha256("".join(SOURCE.digests.values()).encode()).hexdigest()
    return prepared_dataset("svhn", digest, make)


def read(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The digits (n, 3, 32, 32) and labels (n,) of a file, which has them as (32, 32, 3, n) and (n, 1).

    Raises:
        FmbenchError: it does not hold them.
    """
    try:
        content = loadmat(path)
        digits, labels = content["X"].transpose(3, 2, 0, 1), content["y"].reshape(-1)
    except (MatReadError, OSError, ValueError, TypeError, KeyError, NotImplementedError, zlib.error) as error:
        raise FmbenchError(f"{path}: holds no such digits ({describe(error)}); {AGAIN}") from error
    return np.ascontiguousarray(digits), (labels % CLASSES).astype(np.uint8)
