"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 60 000 colour pictures, 32 x 32 pixels of 256 levels a channel."""

from __future__ import annotations

import pickle
import tarfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmbench.data.base import Dataset
from fmbench.data.downloads import AGAIN
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError, describe
from fmbench.registry.digests import CIFAR

SHAPE = (3, 32, 32)
URL = "https://www.cs.toronto.edu/~kriz"
CIFAR10 = Source("cifar10", URL, {"cifar-10-python.tar.gz": CIFAR["cifar-10-python.tar.gz"]})
CIFAR100 = Source("cifar100", URL, {"cifar-100-python.tar.gz": CIFAR["cifar-100-python.tar.gz"]})
Split = tuple[str, Sequence[str]]
"""Its name, and the batches that make it up."""


def cifar10() -> Dataset:
    """50 000 pictures of ten classes for training and 10 000 for testing, as published.

    Raises:
        FmbenchError: the archive cannot be had, or is not what it should be.
    """
    train = [f"data_batch_{number}" for number in range(1, 6)]
    return dataset(CIFAR10, [("train", train), ("test", ["test_batch"])], "cifar-10-batches-py", b"labels")


def cifar100() -> Dataset:
    """The same of a hundred classes, the "fine" ones.

    Raises:
        FmbenchError: the archive cannot be had, or is not what it should be.
    """
    return dataset(CIFAR100, [("train", ["train"]), ("test", ["test"])], "cifar-100-python", b"fine_labels")


def dataset(source: Source, splits: Sequence[Split], folder: str, labels: bytes) -> Dataset:
    """One of the two, from the archive of pickled batches that torchvision and others fetch too."""
    ((name, digest),) = source.digests.items()

    def make() -> Arrays:
        return unpacked(source.file(name), splits, folder, labels)

    return prepared_dataset(source.name, digest, make)


def unpacked(path: Path, splits: Sequence[Split], folder: str, labels: bytes) -> Arrays:
    """The pictures (n, 3, 32, 32) and the labels (n,) of each split.

    Raises:
        FmbenchError: the archive does not hold them.
    """
    arrays: dict[str, list[NDArray[np.uint8]]] = {}
    try:
        with tarfile.open(path) as archive:
            for split, names in splits:
                batches = [Plain.of(archive, f"{folder}/{name}") for name in names]
                arrays[split] = [batch[b"data"].reshape(-1, *SHAPE) for batch in batches]
                arrays[f"{split}-labels"] = [np.asarray(batch[labels], np.uint8) for batch in batches]
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError, AttributeError, pickle.UnpicklingError) as error:
        raise FmbenchError(f"{path}: holds no such batches ({describe(error)}); {AGAIN}") from error
    return arrays


class Plain(pickle.Unpickler):
    """Reads a batch that Python 2 has pickled; what a pickle asks for runs, so it gets nothing but NumPy's arrays."""

    @classmethod
    def of(cls, archive: tarfile.TarFile, member: str) -> Mapping[bytes, Any]:
        """The batch in a member of an archive."""
        stream = archive.extractfile(member)
        if stream is None:
            raise KeyError(member)
        batch: Mapping[bytes, Any] = cls(BytesIO(stream.read()), encoding="bytes").load()
        return batch

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle asks for by name.

        Raises:
            UnpicklingError: it is none of an array's parts.
        """
        known = {"_reconstruct": np.zeros(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if module.partition(".")[0] != "numpy" or name not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[name]
