"""Flow matching between two given laws: both ends of the path are conditioned on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from fmbench.methods.base import Batch, Pairs, Task
from fmbench.methods.coupled import CoupledMethod
from fmbench.paths.couplings import Coupling, Independent
from fmbench.paths.sources import Gaussian, Source


class Spread(NamedTuple):
    """Deviation of x_t about its mean and the deviation's time derivative, shaped as t."""

    sigma: Tensor
    d_sigma: Tensor


class TwoSidedMethod(CoupledMethod):
    """x_t = t x1 + (1 - t) x0 + sigma(t) z, regressed on u = x1 - x0 + sigma'(t) z: Tong et al. 2024, eqs. 8 to 10.

    x0 comes from a source that may be any law with a density, coupled with the data within the batch. As on Gaussian
    paths the network meets inputs and targets of unit variance, those of the independent coupling.

    Args:
        task: the shape and scale of the data, and the shared network.
        source: the law of x0.
        coupling: how x0 is paired with x1.
    """

    shares_batch = True

    def __init__(self, task: Task, *, source: Source | None = None, coupling: Coupling | None = None) -> None:
        super().__init__(task)
        self.law = source or Gaussian()
        self.coupling = coupling or Independent()
        self.network = task.build_network()

    def spread(self, t: Tensor) -> Spread:
        """sigma(t) and its derivative; none by default."""
        return Spread(torch.zeros_like(t), torch.zeros_like(t))

    def loss(self, batch: Batch) -> Tensor:
        """The squared error of the unit-variance velocity."""
        generator = batch.generator
        x0, x1 = self.pairs(batch)
        t = torch.rand(len(x1), generator=generator, device=x1.device, dtype=torch.float64)
        low, high = self.interval
        t = low + (high - low) * t
        z = torch.randn(x1.shape, generator=generator, device=x1.device, dtype=x1.dtype)
        x0, x1, t, z = batch.mine(x0), batch.mine(x1), batch.mine(t), batch.mine(z)
        column = self._column(t, x1)
        spread = self.spread(column)
        time, sigma, d_sigma = (part.to(x1.dtype) for part in (column, *spread))
        x = time * x1 + (1 - time) * x0 + sigma * z
        u = x1 - x0 + d_sigma * z
        into, out = self._scales(column, spread, x1)
        error = self._output(t, into * x) - u / out
        return error.square().mean()

    def couple(self, batch: Batch) -> Pairs:
        """(x0, x1), coupled together with the batch's companions, which are then left out."""
        n, together = len(batch.x), batch.x if batch.companions is None else torch.cat([batch.x, batch.companions])
        x0 = self.law.sample(len(together), self.task.shape, batch.generator).to(together.dtype)
        x0, together = self.coupling.pair(x0, together, batch.generator)
        return x0[:n], together[:n]

    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt at (t, x)."""
        times = torch.as_tensor(t, dtype=torch.float64, device=x.device).reshape(-1)
        column = self._column(times, x)
        into, out = self._scales(column, self.spread(column), x)
        return out * self._output(times, into * x)

    def source(self, n: int, generator: Generator) -> Tensor:
        """Draw n points of the source, (n, *shape), float64."""
        return self.law.sample(n, self.task.shape, generator)

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the source."""
        return self.law.log_prob(x)

    def _scales(self, time: Tensor, spread: Spread, like: Tensor) -> tuple[Tensor, Tensor]:
        """1 / rms of x_t, and the rms of u, to multiply points; sources have unit root mean square."""
        rms = self.task.data_rms
        x = torch.sqrt((time * rms) ** 2 + (1 - time) ** 2 + spread.sigma**2)
        u = torch.sqrt(rms**2 + 1 + spread.d_sigma**2)
        return (1 / x).to(like.dtype), u.to(like.dtype)

    @staticmethod
    def _column(t: Tensor, like: Tensor) -> Tensor:
        return t.reshape(-1, *(1,) * (like.ndim - 1))

    def _output(self, t: Tensor, x: Tensor) -> Tensor:
        """The network's output in the dtype of x; the network itself runs in float32."""
        output: Tensor = self.network(t.to(torch.float32), x.to(torch.float32))
        return output.to(x.dtype)
