"""Fashion-MNIST (Xiao et al. 2017): 70 000 pictures of clothes, 28 x 28 pixels of 256 grey levels.

Read from FMBENCH_DATA, from Debian's package dataset-fashion-mnist or from the cache folder, else fetched once.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import torch
from torch import Tensor

from fmbench.data.base import Dataset, Levels
from fmbench.data.downloads import cache_folder, fetch
from fmbench.errors import FmbenchError, Unavailable
from fmbench.registry.digests import FASHION_MNIST, FASHION_MNIST_GZIP

LEVELS = 256
FOLDER = "fashion-mnist"
VARIABLE = "FMBENCH_DATA"
PACKAGE = Path("/usr/share/datasets") / FOLDER
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
UNSIGNED_BYTE = 8  # IDX's code of the type


def fashion_mnist() -> Dataset:
    """60 000 pictures for training and 10 000 for testing, as published."""
    return Dataset(
        name="fashion-mnist",
        train=read_idx("train-images-idx3-ubyte")[:, None],
        test=read_idx("t10k-images-idx3-ubyte")[:, None],
        transform=Levels(LEVELS),
        train_labels=read_idx("train-labels-idx1-ubyte").long(),
        test_labels=read_idx("t10k-labels-idx1-ubyte").long(),
    )


def present() -> bool:
    """Whether all the files are on this machine."""
    return all(_here(name) for name in FASHION_MNIST)


def locate(name: str) -> Path:
    """Where the compressed file of a name is; fetched if it is nowhere.

    Raises:
        FmbenchError: it is nowhere and cannot be fetched.
    """
    try:
        here = _here(name)
        return here or fetch(f"{URL}/{name}.gz", cache_folder() / FOLDER / f"{name}.gz", FASHION_MNIST_GZIP[name])
    except Unavailable as error:
        hint = f"or install Debian's package dataset-fashion-mnist, or set {VARIABLE} to the folder that holds it"
        raise FmbenchError(f"dataset fashion-mnist: {error}, {hint}") from error


def read_idx(name: str) -> Tensor:
    """The array of a file, uint8.

    Raises:
        FmbenchError: the file cannot be had, or is not what it should be.
    """
    path = locate(name)
    advice = "delete it and fetch it again"
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise FmbenchError(f"{path}: cannot be read ({error}); {advice}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != FASHION_MNIST[name]:
        expected = FASHION_MNIST[name]
        raise FmbenchError(f"{path}: its content has SHA-256 {found[:12]}..., not {expected[:12]}...; {advice}")
    try:
        return parse_idx(content)
    except ValueError as error:
        raise FmbenchError(f"{path}: {error}; {advice}") from error


def parse_idx(content: bytes) -> Tensor:
    """The array of unsigned bytes in an IDX file: two zeros, type, rank, the sizes (32 bits, big-endian), the values.

    Raises:
        ValueError: it is not such a file.
    """
    rank = content[3] if len(content) > 3 else 0
    begin = 4 + 4 * rank
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(content) < begin:
        raise ValueError("is not an IDX file of unsigned bytes")
    sizes = [int.from_bytes(content[at : at + 4], "big") for at in range(4, begin, 4)]
    if len(content) - begin != math.prod(sizes):
        raise ValueError(f"holds {len(content) - begin} values, not the {math.prod(sizes)} of its shape {sizes}")
    return torch.frombuffer(bytearray(content[begin:]), dtype=torch.uint8).reshape(sizes)


def _here(name: str) -> Path | None:
    """The compressed file of a name, if it is on this machine."""
    named = os.environ.get(VARIABLE)
    own = [Path(named) / FOLDER, Path(named)] if named else []
    paths = [folder / f"{name}.gz" for folder in (*own, PACKAGE, cache_folder() / FOLDER)]
    return next((path for path in paths if path.is_file()), None)
