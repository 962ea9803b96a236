"""Datasets that are larger than what fits into memory as floating-point numbers."""

from __future__ import annotations

import hashlib

import pytest
import torch

from fmbench.data import base
from fmbench.data.base import Dataset, Levels
from fmbench.data.digits import digits


def test_the_root_mean_square_is_that_of_all_numbers_whatever_the_blocks(monkeypatch):
    dataset = digits()
    x = dataset.transform.encode(dataset.train, torch.Generator().manual_seed(0))
    assert dataset.rms() == float(x.square().mean().sqrt())  # to the bit: networks are scaled by it
    monkeypatch.setattr(base, "BLOCK", 64 * 100)
    in_blocks = dataset.rms()
    assert in_blocks == pytest.approx(float(x.square().mean().sqrt()), rel=1e-3)  # other noise of dequantisation
    dark = Dataset("dark", torch.cat([dataset.train[:150] * 0, dataset.train[:10]]), dataset.test, Levels(17))
    x = dark.transform.encode(dark.train, torch.Generator().manual_seed(0))
    assert dark.rms() == pytest.approx(float(x.square().mean().sqrt()), rel=1e-2)  # blocks of 100 and of 60


def test_a_block_holds_one_point_at_least(monkeypatch):
    monkeypatch.setattr(base, "BLOCK", 1)
    assert digits().rms() == pytest.approx(0.8, abs=0.2)


def test_digests_are_of_the_bytes():
    array = torch.arange(12, dtype=torch.uint8).reshape(2, 6)
    expected = hashlib.sha256(b"torch.uint8(6, 2)" + array.T.contiguous().numpy().tobytes()).hexdigest()
    assert base.sha256_of(array.T) == expected
