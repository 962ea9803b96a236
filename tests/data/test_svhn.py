"""SVHN through its real loader, from small files of the official format."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from scipy.io import savemat

from fmbench.data import svhn as module
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError


@pytest.fixture
def digits(known, tmp_path):
    """What the files in FMBENCH_DATA hold; there is no network."""
    chance, digits, digests = np.random.default_rng(0), {}, {}
    for name, n in (("train", 6), ("test", 3)):
        content = {"X": chance.integers(0, 256, (32, 32, 3, n), np.uint8), "y": np.arange(10, 10 - n, -1)[:, None]}
        path = tmp_path / f"{name}_32x32.mat"
        savemat(path, content, do_compression=True)
        digits[name], digests[path.name] = content, hashlib.sha256(path.read_bytes()).hexdigest()
    assert digests.keys() == module.SOURCE.digests.keys()
    known(module, "SOURCE", digests)
    return digits


def test_it_is_as_published(digits):
    dataset = module.svhn()
    assert dataset.train.shape == (6, 3, 32, 32)
    assert torch.equal(dataset.train[4, 1], torch.from_numpy(digits["train"]["X"][:, :, 1, 4].copy()))
    assert torch.equal(dataset.test[2, 0], torch.from_numpy(digits["test"]["X"][:, :, 0, 2].copy()))
    assert dataset.train_labels.tolist() == [0, 9, 8, 7, 6, 5]  # the files call the digit 0 ten
    assert dataset.test_labels.tolist() == [0, 9, 8]
    assert (dataset.transform, dataset.train.dtype) == (Levels(256), torch.uint8)


def test_the_second_time_needs_no_files(digits, tmp_path):
    first = module.svhn()
    for path in tmp_path.glob("*.mat"):
        path.unlink()
    assert module.svhn().digest() == first.digest()


def test_another_file_is_refused_and_left_alone(digits, tmp_path):
    path = tmp_path / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FmbenchError, match=r"test_32x32\.mat: SHA-256 is .*; delete it and fetch it again"):
        module.svhn()
    assert path.is_file()


@pytest.mark.parametrize("damage", ["cut", "other", "text"])
def test_what_holds_no_digits_is_told_in_one_line(digits, known, tmp_path, damage):
    path = tmp_path / "train_32x32.mat"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    elif damage == "other":
        savemat(path, {"Z": np.zeros(3)})
    else:
        path.write_bytes(b"no matrix at all, but a page that asks for a login" * 9)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    known(module, "SOURCE", {**module.SOURCE.digests, path.name: found})
    with pytest.raises(FmbenchError, match=r"train_32x32\.mat: holds no such digits \(.*delete it") as error:
        module.svhn()
    assert "\n" not in str(error.value)
