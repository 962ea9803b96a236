"""EDM: Karras et al. 2022."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from fmbench.api import GaussianPathMethod, Preconditioning, Sampler, Task, paths


@dataclass(frozen=True)
class Karras(paths.Path):
    """alpha = 1, sigma(t) = (sigma_max^(1/rho) + t (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho (eq. 5).

    Their discretisation of sigma, read as a schedule: equal steps of t are their steps of sigma.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def at(self, t: Tensor) -> paths.Coefficients:
        """The coefficients at t."""
        root = self._first + t * self._slope
        sigma, d_sigma = root**self.rho, self.rho * self._slope * root ** (self.rho - 1)
        return paths.Coefficients(torch.ones_like(t), sigma, torch.zeros_like(t), d_sigma)

    def time_of(self, sigma: Tensor) -> Tensor:
        """The t at which the noise level is sigma."""
        return (sigma ** (1 / self.rho) - self._first) / self._slope

    @property
    def source_std(self) -> float:
        """Sigma at t = 0."""
        return self.sigma_max

    @property
    def _first(self) -> float:
        return self.sigma_max ** (1 / self.rho)

    @property
    def _slope(self) -> float:
        return self.sigma_min ** (1 / self.rho) - self._first


class EDM(GaussianPathMethod):
    """Denoising with the paper's preconditioning (Table 1) and its log-normal noise levels.

    sigma_data is the root mean square of the training data. The loss weight of the paper makes the effective weight
    of the network's raw output 1 (eq. 8), which is what the loss computes.
    """

    predicts = "data"

    def __init__(
        self, task: Task, *, sigma_min: float, sigma_max: float, rho: float, p_mean: float, p_std: float
    ) -> None:
        super().__init__(task, path=Karras(sigma_min, sigma_max, rho))
        self.p_mean, self.p_std = p_mean, p_std

    def precondition(self, c: paths.Coefficients) -> Preconditioning:
        """c_in, c_skip and c_out."""
        data = self.task.data_rms
        total = torch.hypot(c.sigma, torch.full_like(c.sigma, data))
        return Preconditioning(into=1 / total, skip=data**2 / total**2, out=c.sigma * data / total)

    def sample_time(self, n: int, generator: Generator) -> Tensor:
        """log sigma ~ N(p_mean, p_std^2), kept within the schedule's range."""
        normal = torch.randn(n, generator=generator, device=generator.device, dtype=torch.float64)
        sigma = torch.exp(self.p_mean + self.p_std * normal)
        return self.path.time_of(sigma.clamp(self.path.sigma_min, self.path.sigma_max))

    def network_time(self, t: Tensor) -> Tensor:
        """c_noise = log(sigma) / 4, mapped affinely from the schedule's range onto [0, 1]."""
        low, high = math.log(self.path.sigma_min), math.log(self.path.sigma_max)
        return (high - torch.log(self.path.at(t).sigma)) / (high - low)

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """The paper's Heun sampler, or one by name."""
        if settings.name != "edm-heun":
            return super().sample(n, settings, generator)
        return self.heun(self.source(n, generator), settings.steps or 18)

    @torch.no_grad()
    def heun(self, x: Tensor, steps: int) -> Tensor:
        """Algorithm 1: Heun in sigma over `steps` noise levels, then Euler to zero; 2 steps - 1 calls."""
        times = torch.linspace(0, 1, steps, dtype=torch.float64, device=x.device)
        levels = [*self.path.at(times).sigma.tolist(), 0.0]
        for i in range(steps):
            now, after = levels[i], levels[i + 1]
            slope = (x - self.denoise(float(times[i]), x)) / now
            ahead = x + (after - now) * slope
            if after > 0:
                correction = (ahead - self.denoise(float(times[i + 1]), ahead)) / after
                ahead = x + (after - now) * 0.5 * (slope + correction)
            x = ahead
        return x
