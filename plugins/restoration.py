"""Controls of super-resolution: interpolation, and the regression of the mean."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from fmbench.api import Batch, Method, Sampler, Task


class Interpolation(Method):
    """What is given, enlarged; there is nothing to learn.

    Args:
        task: the shape of the images, and of what is given.
    """

    mode: str

    def loss(self, batch: Batch) -> Tensor:
        """Never asked for."""
        raise NotImplementedError(f"{type(self).__name__} has no trainable parameters, hence no loss")

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """(n, *shape), float64: the same each time."""
        del n, settings, generator
        larger = interpolate(self.given.double(), size=self.task.shape[1:], mode=self.mode)
        return larger.clamp(-1, 1 - 1e-6)  # bicubic interpolation overshoots


class Nearest(Interpolation):
    """Each pixel that of what is given which it lies in."""

    mode = "nearest"


class Bicubic(Interpolation):
    """Bicubic interpolation."""

    mode = "bicubic"


class Regression(Method):
    """The mean of the images that a small one may be of, by least squares: Saharia et al. 2021, section 4.

    The shared network sees zeros at time zero beside what is given; one call per sample.
    """

    shares_batch = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.network = task.build_network()

    def loss(self, batch: Batch) -> Tensor:
        """The squared error, in units of the data's mean square."""
        error = self._mean(batch.mine(batch.labels)) - batch.mine(batch.x)
        return (error / self.task.data_rms).square().mean()

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """(n, *shape), float64: the same each time."""
        del n, settings, generator
        return self._mean(self.given).double()

    def _mean(self, given: Tensor) -> Tensor:
        zeros = torch.zeros(len(given), *self.task.shape, device=given.device)
        return self.task.data_rms * self.network(torch.zeros(1, device=given.device), zeros, given)
