"""Training batches, in an order and with noise that depend on the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.methods.base import Batch, Pairs
from fmbench.seeding import stream


class Batches:
    """The training data on the device, in an order that depends on the seed alone.

    Epochs are fresh permutations laid end to end; a batch may span two of them.

    Args:
        dataset: the data.
        size: points in a batch.
        seed: of the order, and of the generator of each batch.
        device: where the data are.
        companions: how many of the batches to come a batch carries along.
        ahead: what pairs the points of a batch. It is given the next batch in a thread, as soon as a batch is asked
            for: the same numbers as in its turn, for each batch has its own generator.
        flips: whether each image is mirrored, left to right, with probability 1/2.
    """

    def __init__(
        self,
        dataset: Dataset,
        size: int,
        seed: int,
        device: torch.device,
        companions: int = 0,
        ahead: Callable[[Batch], Pairs] | None = None,
        *,
        flips: bool = False,
    ) -> None:
        self._data, self._companions = dataset.train.to(device), companions
        self._labels = None if dataset.train_labels is None else dataset.train_labels.to(device)
        self._transform, self._given, self._flips = dataset.transform, dataset.given, flips
        self._size, self._seed, self._device = size, seed, device
        self._order: dict[int, Tensor] = {}
        self._pair, self._thread = ahead, ThreadPoolExecutor(1)  # which begins with the first thing to do
        self._paired: dict[int, Future[Batch]] = {}

    def __getitem__(self, step: int) -> Batch:
        if self._pair is None:
            return self._draw(step)
        # One thread does all of it, in turn: what is known of the order changes with each batch.
        self._paired = {
            each: self._paired.get(each) or self._thread.submit(self._draw_paired, each, self._pair)
            for each in (step, step + 1)
        }
        return self._paired.pop(step).result()

    def _draw_paired(self, step: int, pair: Callable[[Batch], Pairs]) -> Batch:
        batch = self._draw(step)
        return replace(batch, pairs=pair(batch))

    def _draw(self, step: int) -> Batch:
        generator = stream(self._device, self._seed, "batch", step)
        indices = self._indices(step)
        raw = self._points(indices, generator)
        x = self._transform.encode(raw, generator, torch.float32)
        labels = None if self._labels is None else self._labels[indices]
        if self._given is not None:
            labels = self._given(raw)
        return Batch(x, labels, generator, self._companions_of(step, generator) if self._companions else None)

    def _points(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Raw points of the training data, some of them mirrored."""
        raw = self._data[indices]
        if not self._flips:
            return raw
        mirrored = torch.rand(len(raw), generator=generator, device=raw.device) < 0.5
        return torch.where(mirrored[:, None, None, None], raw.flip(3), raw)

    def _companions_of(self, step: int, generator: torch.Generator) -> Tensor:
        """The points of the next batches, which a coupling may look at."""
        ahead = torch.cat([self._indices(later) for later in range(step + 1, step + 1 + self._companions)])
        return self._transform.encode(self._points(ahead, generator), generator, torch.float32)

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
