"""MNIST through its real loader, from small files of the official format."""

from __future__ import annotations

import gzip
import hashlib

import pytest
import torch

from fmbench.data import mnist as module
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError

SHAPES = {"train-images": (6, 28, 28), "train-labels": (6,), "t10k-images": (2, 28, 28), "t10k-labels": (2,)}


@pytest.fixture
def arrays(known, tmp_path, generator):
    """Their content; the files are in FMBENCH_DATA, and there is no network."""
    arrays, digests = {}, {}
    for stem, shape in SHAPES.items():
        array = torch.randint(0, 10, shape, generator=generator).to(torch.uint8)
        head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in shape)
        name, content = f"{stem}-idx{len(shape)}-ubyte.gz", gzip.compress(head + array.numpy().tobytes())
        (tmp_path / name).write_bytes(content)
        arrays[stem], digests[name] = array, hashlib.sha256(content).hexdigest()
    assert digests.keys() == module.SOURCE.digests.keys()
    known(module, "SOURCE", digests)
    return arrays


def test_it_is_as_published(arrays):
    dataset = module.mnist()
    assert torch.equal(dataset.train[:, 0], arrays["train-images"])
    assert torch.equal(dataset.test[:, 0], arrays["t10k-images"])
    assert dataset.train_labels.tolist() == arrays["train-labels"].tolist()
    assert dataset.test_labels.tolist() == arrays["t10k-labels"].tolist()
    assert (dataset.shape, dataset.transform, dataset.train_labels.dtype) == ((1, 28, 28), Levels(256), torch.int64)


def test_a_truncated_file_is_named_and_left_alone(arrays, tmp_path):
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-3])
    size = path.stat().st_size
    with pytest.raises(FmbenchError, match=r"t10k-labels-idx1-ubyte\.gz: SHA-256 is .*; delete it and fetch it again"):
        module.mnist()
    assert path.stat().st_size == size


def test_what_is_nowhere_says_where_to_put_it(arrays, tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FmbenchError, match=r"dataset mnist: cannot fetch .*, or set FMBENCH_DATA to the folder that"):
        module.mnist()
