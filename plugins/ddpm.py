"""Denoising diffusion probabilistic models: Ho et al. 2020, in continuous time as Song et al. 2021 write it."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from fmbench.api import GaussianPathMethod, Sampler, Task, ancestral, paths


class DDPM(GaussianPathMethod):
    """The noise of the variance-preserving path, predicted with weight 1 (eq. 14).

    Trained at continuous times, so that the one network serves the probability-flow ODE and, on a grid of
    `timesteps`, the chain of the paper with its variational bound.

    Args:
        task: the shape and scale of the data, and the shared network.
        schedule: "linear" in beta, or "cosine" (Nichol and Dhariwal 2021, eq. 17), which has no beta_min, beta_max.
        beta_min: of the linear schedule, at the data end.
        beta_max: of the linear schedule, at the noise end.
        timesteps: T of the variational bound.
        variance: of the chain's steps: "fixedsmall", that of the posterior, or "fixedlarge", beta (section 3.2).
    """

    predicts = "noise"

    def __init__(
        self, task: Task, *, schedule: str, beta_min: float, beta_max: float, timesteps: int, variance: str
    ) -> None:
        super().__init__(task, path=paths.Cosine() if schedule == "cosine" else paths.VP(beta_min, beta_max))
        self.timesteps, self.variance = timesteps, variance

    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """Samples, (n, *shape); the chain's steps have the method's variance where the sampler is not given another."""
        return super().sample(n, settings.with_default(variance=self.variance), generator)

    @torch.no_grad()
    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Bound -log p by L_T + sum_t L_{t-1} + L_0 (eq. 5), one draw of noise per term; (n,), nats.

        The decoder is the Gaussian N(estimate, beta_1): the data are dequantised here as in training, where the paper
        trains on the levels and integrates this Gaussian over each level's cell (eq. 13).
        """
        times = ancestral.grid(self.path, self.timesteps, x.device)
        start = self.path.at(times[0])
        ones = torch.ones_like(start.sigma)
        total = gaussian_kl(start.alpha * x, start.sigma**2, ones)
        for t, s in pairwise(times[:-1]):
            step = ancestral.posterior(self.path, t, s)
            apart = step.from_data * self._error(x, t, generator)
            total = total + gaussian_kl(apart, step.variance, step.step_variance(self.variance))
        last = ancestral.posterior(self.path, times[-2], times[-1]).forward
        decoder = -0.5 * (self._error(x, times[-2], generator).square() / last + torch.log(2 * math.pi * last))
        return (total - decoder).flatten(1).sum(dim=1)

    def _error(self, x: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """Compute x minus its estimate from x noised to time t."""
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return x - self.denoise(float(t), self.path.coefficients(t, x).interpolate(noise, x))


def gaussian_kl(apart: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """KL(N(m, first) || N(n, second)) by coordinate, in nats, for means that lie `apart` from each other."""
    return 0.5 * (apart.square() / second + first / second - 1 - torch.log(first / second))
