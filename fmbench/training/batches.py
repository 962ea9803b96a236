"""Training batches, in an order and with noise that depend on the seed and the step alone."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.methods.base import Batch
from fmbench.seeding import stream


class Batches:
    """The training data on the device, in an order that depends on the seed alone.

    Epochs are fresh permutations laid end to end; a batch may span two of them.
    """

    def __init__(self, dataset: Dataset, size: int, seed: int, device: torch.device, companions: int = 0) -> None:
        self._data, self._companions = dataset.train.to(device), companions
        self._labels = None if dataset.train_labels is None else dataset.train_labels.to(device)
        self._transform = dataset.transform
        self._size, self._seed, self._device = size, seed, device
        self._order: dict[int, Tensor] = {}

    def __getitem__(self, step: int) -> Batch:
        generator = stream(self._device, self._seed, "batch", step)
        indices = self._indices(step)
        x = self._transform.encode(self._data[indices], generator, torch.float32)
        labels = None if self._labels is None else self._labels[indices]
        return Batch(x, labels, generator, self._ahead(step, generator) if self._companions else None)

    def _ahead(self, step: int, generator: torch.Generator) -> Tensor:
        """The points of the next batches, which a coupling may look at."""
        ahead = torch.cat([self._indices(later) for later in range(step + 1, step + 1 + self._companions)])
        return self._transform.encode(self._data[ahead], generator, torch.float32)

    def _indices(self, step: int) -> Tensor:
        n = len(self._data)
        start, end = step * self._size, (step + 1) * self._size
        epochs = range(start // n, (end - 1) // n + 1)
        self._order = {
            epoch: self._order[epoch] if epoch in self._order else self._permutation(epoch) for epoch in epochs
        }
        joined = torch.cat(list(self._order.values()))
        offset = epochs[0] * n
        return joined[start - offset : end - offset]

    def _permutation(self, epoch: int) -> Tensor:
        order = torch.randperm(len(self._data), generator=stream("cpu", self._seed, "order", epoch))
        return order.to(self._device)
