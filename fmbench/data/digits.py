"""The 1797 hand-written digits, 8 x 8 pixels of 17 grey levels, that scikit-learn ships."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from fmbench.data.base import Dataset, Levels

LEVELS = 17
TEST_EVERY = 5  # every fifth scan of each digit is held out


def digits() -> Dataset:
    """The scans with their fixed split: 1437 for training, 360 (every fifth of each digit) for testing."""
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8)[:, None]
    labels = torch.from_numpy(bunch.target).long()
    held_out = torch.zeros(len(images), dtype=torch.bool)
    held_out[torch.argsort(labels, stable=True)[::TEST_EVERY]] = True
    return Dataset(
        name="digits",
        train=images[~held_out],
        test=images[held_out],
        transform=Levels(LEVELS),
        train_labels=labels[~held_out],
        test_labels=labels[held_out],
    )
