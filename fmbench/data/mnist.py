"""MNIST (LeCun et al. 1998): 70 000 scanned digits, 28 x 28 pixels of 256 grey levels."""

from __future__ import annotations

from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.data.idx import dataset, decompressed, parse_idx
from fmbench.data.sources import Source
from fmbench.registry.digests import MNIST

SOURCE = Source("mnist", "https://storage.googleapis.com/cvdf-datasets/mnist", MNIST)


def mnist() -> Dataset:
    """60 000 digits for training and 10 000 for testing, as published.

    Raises:
        FmbenchError: a file cannot be had, or is not what it should be.
    """
    return dataset(SOURCE, read)


def read(name: str) -> Tensor:
    """The array of a file, uint8."""
    path = SOURCE.file(f"{name}.gz")
    return parse_idx(decompressed(path), path)
