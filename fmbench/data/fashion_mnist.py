"""Fashion-MNIST (Xiao et al. 2017): 70 000 pictures of clothes, 28 x 28 pixels of 256 grey levels."""

from __future__ import annotations

import hashlib

from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.data.downloads import AGAIN
from fmbench.data.idx import LEVELS as LEVELS  # a part of this module's interface
from fmbench.data.idx import dataset, decompressed, parse_idx
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError
from fmbench.registry.digests import FASHION_MNIST, FASHION_MNIST_GZIP

SOURCE = Source(
    "fashion-mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    {f"{name}.gz": digest for name, digest in FASHION_MNIST_GZIP.items()},
    hint="install Debian's package dataset-fashion-mnist",
)


def fashion_mnist() -> Dataset:
    """60 000 pictures for training and 10 000 for testing, as published.

    Raises:
        FmbenchError: a file cannot be had, or is not what it should be.
    """
    return dataset(SOURCE, read)


def read(name: str) -> Tensor:
    """The array of a file, uint8; Debian has compressed the same content to other bytes, so that the content counts."""
    path = SOURCE.locate(f"{name}.gz")
    content = decompressed(path)
    found, expected = hashlib.sha256(content).hexdigest(), FASHION_MNIST[name]
    if found != expected:
        raise FmbenchError(f"{path}: its content has SHA-256 {found[:12]}..., not {expected[:12]}...; {AGAIN}")
    return parse_idx(content, path)
