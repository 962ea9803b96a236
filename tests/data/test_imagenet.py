"""The downsampled ImageNet through its real loader, from small archives of the official format."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch

from fmbench.data import imagenet as module
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError

BATCHES = {  # the archives of each, and the batches in them
    "SMALL": {
        "Imagenet32_train_npz.zip": [f"Imagenet32_train_npz/train_data_batch_{i}.npz" for i in range(1, 11)],
        "Imagenet32_val_npz.zip": ["val_data.npz"],
    },
    "LARGE": {
        "Imagenet64_train_part1_npz.zip": [f"train_data_batch_{i}.npz" for i in range(1, 6)],
        "Imagenet64_train_part2_npz.zip": [f"train_data_batch_{i}.npz" for i in range(6, 11)],
        "Imagenet64_val_npz.zip": ["val_data.npz"],
    },
}
SIDES = {"SMALL": 32, "LARGE": 64}


def batch(number, side, n=2):
    """Rows of reds, greens and blues, and labels from 1."""
    chance = np.random.default_rng(number)
    return chance.integers(0, 256, (n, 3 * side**2), np.uint8), chance.integers(1, 1001, n)


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, arrays in members.items():
            stream = BytesIO()
            np.savez(stream, **arrays)
            target.writestr(name, stream.getvalue())
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(known, tmp_path):
    """Puts the archives of one of the two into FMBENCH_DATA; the rows of each batch, in order."""

    def put(constant):
        side, count, digests, rows = SIDES[constant], 0, {}, []
        for name, batches in BATCHES[constant].items():
            members = {}
            for member in batches:
                data, labels = batch(count, side)
                rows.append((data, labels))
                members[member] = {"data": data, "labels": labels}
                count += 1
            shuffled = dict(sorted(members.items()))  # as zip has them: 10 before 2
            digests[name] = archive(tmp_path / name, shuffled)
        assert digests.keys() == getattr(module, constant).digests.keys()
        known(module, constant, digests)
        return rows

    return put


@pytest.mark.parametrize(("constant", "load"), [("SMALL", "imagenet32"), ("LARGE", "imagenet64")])
def test_it_is_as_published(place, constant, load):
    *train, test = place(constant)
    dataset, side = getattr(module, load)(), SIDES[constant]
    assert (dataset.name, dataset.shape, dataset.transform) == (load, (3, side, side), Levels(256))
    for split, batches in (("train", train), ("test", [test])):
        rows = torch.from_numpy(np.concatenate([data for data, _ in batches]))
        assert torch.equal(getattr(dataset, split).flatten(1), rows)
        labels = np.concatenate([labels for _, labels in batches]) - 1
        assert getattr(dataset, f"{split}_labels").tolist() == labels.tolist()
    assert dataset.train[1, 2, 0, 1] == train[0][0][1, 2 * side**2 + 1]  # reds, then greens, then blues


def test_the_second_time_needs_no_archive(place, tmp_path):
    place("SMALL")
    first = module.imagenet32()
    for path in tmp_path.glob("*.zip"):
        path.unlink()
    assert module.imagenet32().digest() == first.digest()


def test_another_archive_is_refused_before_anything_is_prepared(place, tmp_path):
    place("SMALL")
    path = tmp_path / "Imagenet32_val_npz.zip"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(FmbenchError, match=r"Imagenet32_val_npz\.zip: SHA-256 is .*; delete it and fetch it again"):
        module.imagenet32()
    assert not any((tmp_path / "cache").rglob("*.npy"))


def test_where_it_is_not_the_error_says_how_to_come_by_it(known):
    known(module, "SMALL", {"Imagenet32_train_npz.zip": "0" * 64})
    with pytest.raises(FmbenchError, match=r"by hand .*, or fetch it by hand with an account of image-net\.org"):
        module.imagenet32()


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"train_data_batch_1.npz": {"data": np.zeros((1, 3072), np.uint8)}}, "holds no such batches .*labels"),
        ({"notes.txt": {}}, r"holds no batches \(\.npz\)"),
    ],
)
def test_what_holds_no_batches_is_told_in_one_line(place, known, tmp_path, members, text):
    place("SMALL")
    name = "Imagenet32_train_npz.zip"
    known(module, "SMALL", {**module.SMALL.digests, name: archive(tmp_path / name, members)})
    with pytest.raises(FmbenchError, match=text) as error:
        module.imagenet32()
    assert "\n" not in str(error.value)
    assert not any((tmp_path / "cache").rglob("*.npy"))
