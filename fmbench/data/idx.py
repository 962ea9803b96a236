"""The format of MNIST and of what takes its place: arrays of unsigned bytes."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from fmbench.data.base import Dataset, Levels
from fmbench.data.downloads import AGAIN
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError

LEVELS = 256
UNSIGNED_BYTE = 8  # IDX's code of the type


def dataset(source: Source, read: Callable[[str], Tensor]) -> Dataset:
    """The 60 000 pictures for training and 10 000 for testing of such a dataset, as published.

    Args:
        source: of its files.
        read: the array of a file, by the file's name without its ending.

    Raises:
        FmbenchError: a file cannot be had, or is not what it should be.
    """
    return Dataset(
        name=source.name,
        train=read("train-images-idx3-ubyte")[:, None],
        test=read("t10k-images-idx3-ubyte")[:, None],
        transform=Levels(LEVELS),
        train_labels=read("train-labels-idx1-ubyte").long(),
        test_labels=read("t10k-labels-idx1-ubyte").long(),
        where=str(source.locate("train-images-idx3-ubyte.gz").parent),
    )


def decompressed(path: Path) -> bytes:
    """What a gzip file holds.

    Raises:
        FmbenchError: it is none, or ends early.
    """
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise FmbenchError(f"{path}: cannot be read ({error}); {AGAIN}") from error


def parse_idx(content: bytes, path: Path) -> Tensor:
    """The array of unsigned bytes in an IDX file: two zeros, type, rank, the sizes (32 bits, big-endian), the values.

    Args:
        content: of the file.
        path: of the file, for the error.

    Raises:
        FmbenchError: it is not such a file.
    """
    rank = content[3] if len(content) > 3 else 0
    begin = 4 + 4 * rank
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(content) < begin:
        raise FmbenchError(f"{path}: is not an IDX file of unsigned bytes; {AGAIN}")
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, begin, 4)]
    if len(content) - begin != math.prod(sizes):
        found = f"holds {len(content) - begin} values, not the {math.prod(sizes)} of its shape {sizes}"
        raise FmbenchError(f"{path}: {found}; {AGAIN}")
    return torch.frombuffer(bytearray(content[begin:]), dtype=torch.uint8).reshape(sizes)
