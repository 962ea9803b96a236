from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace

import pytest
import torch

from fmbench.data import fashion_mnist as module
from fmbench.data import sources
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError

SHAPES = {
    "train-images-idx3-ubyte": (6, 28, 28),
    "train-labels-idx1-ubyte": (6,),
    "t10k-images-idx3-ubyte": (2, 28, 28),
    "t10k-labels-idx1-ubyte": (2,),
}
ONE = "t10k-labels-idx1-ubyte"


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.numpy().tobytes()


def write(folder, arrays):
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))


@pytest.fixture
def arrays(monkeypatch, tmp_path, generator):
    """Small files' content, known by its digests, on a machine that has none of them and no network."""
    arrays = {name: torch.randint(0, 10, shape, generator=generator).to(torch.uint8) for name, shape in SHAPES.items()}
    digests = {name: hashlib.sha256(idx(array)).hexdigest() for name, array in arrays.items()}
    monkeypatch.setattr(module, "FASHION_MNIST", digests)
    monkeypatch.setattr(sources, "PACKAGES", tmp_path / "packages")
    monkeypatch.setattr(module, "SOURCE", replace(module.SOURCE, url=(tmp_path / "web").as_uri()))
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FMBENCH_DATA", str(tmp_path / "data"))
    return arrays


@pytest.mark.parametrize("folder", ["data/fashion-mnist", "data", "packages/fashion-mnist", "cache/fashion-mnist"])
def test_it_is_read_from_each_place(arrays, tmp_path, folder):
    write(tmp_path / folder, arrays)
    assert module.SOURCE.present
    dataset = module.fashion_mnist()
    assert torch.equal(dataset.train[:, 0], arrays["train-images-idx3-ubyte"])
    assert torch.equal(dataset.test[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert dataset.train_labels.tolist() == arrays["train-labels-idx1-ubyte"].tolist()
    assert dataset.test_labels.tolist() == arrays["t10k-labels-idx1-ubyte"].tolist()
    assert dataset.train.dtype == torch.uint8
    assert dataset.train_labels.dtype == torch.int64
    assert dataset.transform == Levels(256)


def test_the_first_place_wins(arrays, tmp_path):
    write(tmp_path / "data", arrays)
    write(tmp_path / "packages/fashion-mnist", {ONE: 1 - arrays[ONE]})
    assert torch.equal(module.read(ONE), arrays[ONE])


def test_it_is_fetched_when_it_is_nowhere(arrays, tmp_path, monkeypatch):
    write(tmp_path / "web", arrays)
    sent = {name: hashlib.sha256((tmp_path / "web" / f"{name}.gz").read_bytes()).hexdigest() for name in SHAPES}
    digests = {f"{name}.gz": digest for name, digest in sent.items()}
    monkeypatch.setattr(module, "SOURCE", replace(module.SOURCE, digests=digests))
    assert not module.SOURCE.present
    assert module.fashion_mnist().train.shape == (6, 1, 28, 28)
    assert len(list((tmp_path / "cache" / "fashion-mnist").iterdir())) == 4


def refused(text):
    with pytest.raises(FmbenchError, match=text) as error:
        module.read(ONE)
    assert "\n" not in str(error.value)


def test_it_is_nowhere(arrays):
    refused(r"cannot fetch file:.*SHA-256 67da17c76eaf.*install Debian's package.*set FMBENCH_DATA")


@pytest.mark.parametrize("cut", [1, 10, 20])
def test_a_truncated_file(arrays, tmp_path, cut):
    write(tmp_path / "data", arrays)
    path = tmp_path / "data" / f"{ONE}.gz"
    path.write_bytes(path.read_bytes()[:-cut])
    refused(r"labels-idx1-ubyte\.gz: cannot be read \(.*delete it and fetch it again")


def test_a_file_that_is_not_compressed(arrays, tmp_path):
    write(tmp_path / "data", arrays)
    (tmp_path / "data" / f"{ONE}.gz").write_bytes(idx(arrays[ONE]))
    refused(r"cannot be read \(Not a gzipped file.*delete it")


def test_a_wrong_digest(arrays, tmp_path):
    write(tmp_path / "data", {ONE: 1 - arrays[ONE]})
    refused(r"its content has SHA-256 .*, not .*delete it and fetch it again")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is not an IDX file"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 0]), "is not an IDX file"),
        (bytes([0, 0, 8, 3, 0, 0, 0, 1]), "is not an IDX file"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 7]), r"holds 2 values, not the 3 of its shape \[3\]"),
    ],
)
def test_what_is_not_idx(arrays, tmp_path, monkeypatch, content, text):
    monkeypatch.setitem(module.FASHION_MNIST, ONE, hashlib.sha256(content).hexdigest())
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{ONE}.gz").write_bytes(gzip.compress(content))
    refused(text)


@pytest.mark.skipif(not module.SOURCE.present, reason="Fashion-MNIST is not on this machine")
def test_the_published_data():
    dataset = module.fashion_mnist()
    assert dataset.train.shape == (60_000, 1, 28, 28)
    assert dataset.test.shape == (10_000, 1, 28, 28)
    assert (int(dataset.train.min()), int(dataset.train.max())) == (0, 255)
    assert torch.bincount(dataset.train_labels).tolist() == [6000] * 10
    assert torch.bincount(dataset.test_labels).tolist() == [1000] * 10
    assert dataset.train_labels[:5].tolist() == [9, 0, 0, 3, 0]
