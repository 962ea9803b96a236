"""Arrays that are prepared once: by one process at a time, whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from fmbench.data import prepared as module
from fmbench.errors import FmbenchError

DIGEST = "0123456789abcdef"
FOLDER = "prepared-0123456789ab"
KILLED = """
import os, signal
import numpy as np
from fmbench.data.prepared import prepared

def blocks():
    yield np.zeros((4, 2), np.uint8)
    os.kill(os.getpid(), signal.SIGKILL)

prepared("data", "0123456789abcdef", lambda: {"train": blocks()})
"""


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path))
    return tmp_path / "data"


def ones():
    return {"train": [np.ones(3, np.uint8)]}


def test_blocks_are_laid_one_after_the_other(cache):
    chance = np.random.default_rng(0)
    blocks = [chance.integers(0, 256, (n, 3, 2), np.uint8) for n in (4, 1, 12)]
    labels = [np.arange(n) for n in (1000, 1, 12)]
    found, where = module.prepared("data", DIGEST, lambda: {"train": iter(blocks), "train-labels": iter(labels)})
    assert where == cache / FOLDER
    assert (found["train"].numpy() == np.concatenate(blocks)).all()
    assert (found["train-labels"].numpy() == np.concatenate(labels)).all()
    assert (np.load(cache / FOLDER / "train.npy") == np.concatenate(blocks)).all()


def test_a_block_that_is_not_contiguous(cache):
    block = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)
    assert (module.prepared("data", DIGEST, lambda: {"train": [block]})[0]["train"].numpy() == block).all()


def test_one_that_was_killed_leaves_nothing_that_counts_and_the_next_begins_anew(cache):
    done = subprocess.run([sys.executable, "-c", KILLED], timeout=120, check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert {path.name for path in cache.iterdir()} == {f"{FOLDER}.part", f"{FOLDER}.lock"}
    assert module.prepared("data", DIGEST, ones)[0]["train"].tolist() == [1, 1, 1]
    assert [path.name for path in cache.iterdir()] == [FOLDER]


def test_of_two_at_once_the_second_waits_for_the_first(cache):
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slow():
        made.append("slow")
        begun.set()
        assert go_on.wait(60)
        return ones()

    def quick():
        made.append("quick")
        return {"train": [np.zeros(3, np.uint8)]}

    first = threading.Thread(target=module.prepared, args=("data", DIGEST, slow))
    first.start()
    assert begun.wait(60)
    found = []
    second = threading.Thread(target=lambda: found.append(module.prepared("data", DIGEST, quick)))
    second.start()
    second.join(0.2)
    assert not found
    go_on.set()
    first.join()
    second.join()
    assert made == ["slow"]
    assert found[0][0]["train"].tolist() == [1, 1, 1]
    assert [path.name for path in cache.iterdir()] == [FOLDER]


def test_a_full_disk_leaves_nothing(cache, monkeypatch):
    def full(path, blocks):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "append", full)
    with pytest.raises(FmbenchError, match=r"cannot prepare .* \(No space left on device\): set FMBENCH_CACHE to"):
        module.prepared("data", DIGEST, ones)
    assert list(cache.iterdir()) == []


def test_files_that_are_wrong_leave_nothing(cache):
    def wrong():
        yield np.ones((2, 2), np.uint8)
        raise FmbenchError("the second batch is broken")

    with pytest.raises(FmbenchError, match="the second batch is broken"):
        module.prepared("data", DIGEST, lambda: {"train": wrong()})
    assert list(cache.iterdir()) == []
