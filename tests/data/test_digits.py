from __future__ import annotations

import pytest
import torch

from fmbench.data.base import Levels
from fmbench.data.digits import digits


@pytest.fixture(scope="module")
def dataset():
    return digits()


def test_the_scans_and_their_split(dataset):
    assert dataset.train.shape == (1437, 1, 8, 8)
    assert dataset.test.shape == (360, 1, 8, 8)
    assert dataset.train.dtype == torch.uint8
    assert (int(dataset.train.min()), int(dataset.train.max())) == (0, 16)
    share = torch.bincount(dataset.test_labels) / torch.bincount(torch.cat([dataset.train_labels, dataset.test_labels]))
    assert ((share - 0.2).abs() < 0.005).all()
    # The data that the shipped features were made for.
    assert dataset.digest() == "5e977f9ff424f25e512f431dd1feb054b3e36c0cf570e714dcc668fc673fe616"


def test_every_scan_is_in_one_split(dataset):
    from sklearn.datasets import load_digits

    scans = torch.from_numpy(load_digits().images).to(torch.uint8)[:, None]
    joined = torch.cat([dataset.train, dataset.test])
    assert torch.equal(joined.flatten(1).unique(dim=0), scans.flatten(1).unique(dim=0))
    assert len(joined) == len(scans)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantisation_stays_in_its_cell(levels, generator):
    raw = torch.arange(levels, dtype=torch.uint8).repeat(50, 1)
    transform = Levels(levels)
    x = transform.encode(raw, generator)
    assert x.min() >= -1
    assert x.max() < 1
    assert torch.equal(transform.decode(x), raw)


def test_decoding_rounds_to_the_nearest_level_and_clamps():
    x = torch.tensor([-5.0, -1.0, -1 + 0.4 / 256, 1 - 0.4 / 256, 1.0, 7.0])
    assert Levels(256).decode(x).tolist() == [0, 0, 0, 255, 255, 255]
