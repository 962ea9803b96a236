"""Samples of a known density: what generated ones are held against, and what they can at best be like."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.data.base import Dataset, Density
from fmbench.seeding import stream


def density_of(dataset: Dataset) -> Density:
    """The law that a dataset was drawn from.

    Raises:
        TypeError: its spec says known_density, and it has none.
    """
    if dataset.density is None:
        raise TypeError(f"dataset {dataset.name!r} is said to have a known density and has none")
    return dataset.density


def reference(dataset: Dataset, n: int) -> Tensor:
    """Draw n points of the density, (n, d), float64: the same for every method and seed."""
    return _fixed(dataset, n, "reference")


def second(dataset: Dataset, n: int) -> Tensor:
    """Draw n other points of it: in place of a generated sample they give a distance's floor."""
    return _fixed(dataset, n, "floor")


def _fixed(dataset: Dataset, n: int, purpose: str) -> Tensor:
    return density_of(dataset).sample(n, stream(torch.device("cpu"), "truth", dataset.name, purpose))
