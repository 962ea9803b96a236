"""CIFAR through its real loader, from small archives of batches as Python 2 has pickled the official ones."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import torch

from fmbench.data import cifar as module
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError

TEN = ("cifar-10-batches-py", [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], "labels")
HUNDRED = ("cifar-100-python", ["train", "test"], "fine_labels")


def text(value):
    """A short string of Python 2."""
    return b"U" + bytes([len(value)]) + value


def old_pickle(data, labels, key):
    """{"data": array, key: list} as cPickle of Python 2 wrote it, with NumPy's names of then."""
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    sizes = b"".join(b"J" + size.to_bytes(4, "little") for size in data.shape) + b"\x86"
    content = data.tobytes()
    array += b"(K\x01" + sizes + kind + b"\x89T" + len(content).to_bytes(4, "little") + content + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(key.encode()) + numbers + b"u."


def archive(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            facts = tarfile.TarInfo(name)
            facts.size = len(content)
            tar.addfile(facts, io.BytesIO(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(known, tmp_path):
    """Puts an archive of some members into FMBENCH_DATA, with the digest that it has; there is no network."""

    def put(constant, members):
        (name,) = getattr(module, constant).digests
        known(module, constant, {name: archive(tmp_path / name, members)})
        return tmp_path / name

    return put


def made(folder, names, key, seed=0):
    """Members of four pictures each, and the batches that they hold."""
    chance = np.random.default_rng(seed)
    batches = {name: (chance.integers(0, 256, (4, 3072), np.uint8), chance.integers(0, 10, 4)) for name in names}
    return {f"{folder}/{name}": old_pickle(*batch, key) for name, batch in batches.items()}, batches


@pytest.mark.parametrize(
    ("constant", "layout", "load"), [("CIFAR10", TEN, "cifar10"), ("CIFAR100", HUNDRED, "cifar100")]
)
def test_it_is_as_published(place, constant, layout, load):
    members, batches = made(*layout)
    place(constant, members)
    dataset = getattr(module, load)()
    *train, test = batches.values()
    assert dataset.train.shape == (4 * len(train), 3, 32, 32)
    assert torch.equal(
        dataset.train, torch.from_numpy(np.concatenate([data for data, _ in train])).reshape(-1, 3, 32, 32)
    )
    assert torch.equal(dataset.test, torch.from_numpy(test[0]).reshape(-1, 3, 32, 32))
    assert dataset.train_labels.tolist() == np.concatenate([labels for _, labels in train]).tolist()
    assert dataset.test_labels.tolist() == test[1].tolist()
    assert (dataset.name, dataset.transform, dataset.train.dtype) == (load, Levels(256), torch.uint8)


def test_the_first_channel_is_the_first_third_of_a_row(place):
    """A row holds 1024 reds, then 1024 greens, then 1024 blues, each row by row."""
    members, _ = made(*HUNDRED)
    row = np.concatenate([np.full(1024, value, np.uint8) for value in (10, 20, 30)])
    row[1] = 11
    members["cifar-100-python/test"] = old_pickle(row[None], [7], "fine_labels")
    place("CIFAR100", members)
    (picture,) = module.cifar100().test
    assert picture.flatten(1).float().mean(1).tolist() == pytest.approx([10, 20, 30], abs=0.01)
    assert picture[0, 0, :3].tolist() == [10, 11, 10]


def test_the_second_time_needs_no_archive(place, tmp_path):
    path = place("CIFAR10", made(*TEN)[0])
    first = module.cifar10()
    path.unlink()
    second = module.cifar10()
    assert torch.equal(first.train, second.train)
    assert first.digest() == second.digest()
    (folder,) = (tmp_path / "cache" / "cifar10").iterdir()
    assert folder.name.startswith("prepared-")
    second.train[0] = 0  # a copy is written to, never the file
    assert torch.equal(module.cifar10().train, first.train)


def test_another_archive_is_refused_and_left_alone(place):
    path = place("CIFAR10", made(*TEN)[0])
    archive(path, made(*TEN, seed=1)[0])
    with pytest.raises(FmbenchError, match=r"cifar-10-python\.tar\.gz: SHA-256 is .*; delete it and fetch it again"):
        module.cifar10()
    assert path.is_file()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (pickle.dumps(print), r"it asks for builtins\.print"),
        (b"cnumpy\nload\n.", r"it asks for numpy\.load"),
        (b"no pickle", "holds no such batches"),
        (pickle.dumps({b"data": 3}), "holds no such batches"),
    ],
)
def test_a_batch_that_is_none_is_an_error_and_runs_nothing(place, content, text):
    members, _ = made(*HUNDRED)
    place("CIFAR100", {**members, "cifar-100-python/train": content})
    with pytest.raises(FmbenchError, match=text) as error:
        module.cifar100()
    assert "\n" not in str(error.value)


def test_a_member_that_lacks_is_named(place):
    members, _ = made(*HUNDRED)
    del members["cifar-100-python/test"]
    place("CIFAR100", members)
    with pytest.raises(FmbenchError, match="cifar-100-python/test"):
        module.cifar100()
