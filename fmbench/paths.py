"""Gaussian probability paths x_t = alpha(t) x1 + sigma(t) x0, with x0 ~ N(0, I) and t = 0 noise, t = 1 data.

A path gives its four coefficients, its range of t and the law of x at the noise end; everything else that a loss,
a sampler or a likelihood asks of a path follows from these. Diffusion papers run time the other way: s = 1 - t
appears here and nowhere else. Coefficients are computed in float64, whatever the dtype of the network.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fmbench.errors import FmbenchError

T_END = 1 - 1e-5  # diffusion paths stop here: their velocity is singular at t = 1 (Song et al. 2021, appendix C)


class Coefficients(NamedTuple):
    """alpha, sigma and their time derivatives: of the shape of t, or shaped to multiply points (n, ...)."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor

    def interpolate(self, x0: Tensor, x1: Tensor) -> Tensor:
        """x_t of the pairs (x0, x1), each of shape (n, ...)."""
        return self.alpha * x1 + self.sigma * x0

    def rms(self, data_rms: float) -> Tensor:
        """Root mean square of x_t, sqrt(alpha^2 s^2 + sigma^2), when the data has root mean square s."""
        return torch.hypot(self.alpha * data_rms, self.sigma)


class Path(ABC):
    """A Gaussian probability path."""

    t_min: float = 0.0
    t_max: float = 1.0

    @abstractmethod
    def at(self, t: Tensor) -> Coefficients:
        """The coefficients at times `t` (any shape, float64)."""

    def coefficients(self, t: Tensor | float, like: Tensor) -> Coefficients:
        """The coefficients at a scalar t or one t a sample, shaped and cast to multiply `like` of shape (n, ...)."""
        times = torch.as_tensor(t, dtype=torch.float64, device=like.device)
        shape = times.shape + (1,) * (like.ndim - 1) if times.ndim else times.shape
        together = torch.stack(self.at(times)).to(like.dtype).reshape(4, *shape)
        return Coefficients(*together.unbind())

    def sample_time(self, n: int, generator: torch.Generator) -> Tensor:
        """N times, uniform on the path's range; shape (n,), float64."""
        u = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        return self.t_min + (self.t_max - self.t_min) * u

    @property
    def source_std(self) -> float:
        """Standard deviation of the Gaussian from which x at t_min is drawn."""
        return 1.0

    def source(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """N draws from the law of x at t_min; shape (n, *shape), float64."""
        noise = torch.randn(n, *shape, generator=generator, device=generator.device, dtype=torch.float64)
        return self.source_std * noise

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of that law, in nats; x of shape (n, ...), result (n,)."""
        flat = x.flatten(1) / self.source_std
        dimension = flat.shape[1]
        constant = dimension * (math.log(self.source_std) + 0.5 * math.log(2 * math.pi))
        return -0.5 * flat.square().sum(1) - constant


@dataclass(frozen=True)
class CondOT(Path):
    """alpha = t, sigma = 1 - (1 - sigma_min) t: Lipman et al. 2023, eq. 20."""

    sigma_min: float = 1e-4

    def __post_init__(self) -> None:
        require("sigma_min", self.sigma_min, 0 < self.sigma_min < 1, "in (0, 1)")

    def at(self, t: Tensor) -> Coefficients:
        slope = 1 - self.sigma_min
        one = torch.ones_like(t)
        return Coefficients(t, 1 - slope * t, one, -slope * one)


@dataclass(frozen=True)
class Linear(Path):
    """alpha = t, sigma = 1 - t: Liu et al. 2023, eq. 1."""

    def at(self, t: Tensor) -> Coefficients:
        one = torch.ones_like(t)
        return Coefficients(t, 1 - t, one, -one)


@dataclass(frozen=True)
class Trig(Path):
    """alpha = sin(pi t / 2), sigma = cos(pi t / 2): Albergo and Vanden-Eijnden 2023, eq. 5."""

    def at(self, t: Tensor) -> Coefficients:
        half = math.pi / 2
        sine, cosine = torch.sin(half * t), torch.cos(half * t)
        return Coefficients(sine, cosine, half * cosine, -half * sine)


@dataclass(frozen=True)
class _BetaPath(Path):
    """What the two paths driven by beta(s) = b0 + s (b1 - b0) share; T(s) is its integral, s = 1 - t."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_max: float = T_END

    def __post_init__(self) -> None:
        require("beta_min", self.beta_min, self.beta_min > 0, "> 0")
        require("beta_max", self.beta_max, self.beta_max >= self.beta_min, f">= beta_min = {self.beta_min}")

    def _schedule(self, t: Tensor) -> tuple[Tensor, Tensor]:
        s = 1 - t
        slope = self.beta_max - self.beta_min
        return self.beta_min + s * slope, 0.5 * s * s * slope + s * self.beta_min


@dataclass(frozen=True)
class VP(_BetaPath):
    """alpha = exp(-T/2), sigma = sqrt(1 - exp(-T)): Song et al. 2021, eq. 11 and 29."""

    def at(self, t: Tensor) -> Coefficients:
        beta, total = self._schedule(t)
        alpha, sigma = torch.exp(-0.5 * total), torch.sqrt(-torch.expm1(-total))
        return Coefficients(alpha, sigma, 0.5 * beta * alpha, -0.5 * beta * alpha * alpha / sigma)


@dataclass(frozen=True)
class SubVP(_BetaPath):
    """alpha = exp(-T/2), sigma = 1 - exp(-T): Song et al. 2021, eq. 12 and 29."""

    def at(self, t: Tensor) -> Coefficients:
        beta, total = self._schedule(t)
        alpha = torch.exp(-0.5 * total)
        return Coefficients(alpha, -torch.expm1(-total), 0.5 * beta * alpha, -beta * alpha * alpha)


@dataclass(frozen=True)
class VE(Path):
    """alpha = 1, sigma = sigma_min (sigma_max / sigma_min)^(1-t): Song et al. 2021, eq. 9 and appendix C.

    The source is N(0, sigma_max^2 I). The defaults suit data in [-1, 1]; take .01 and 50 for [0, 1].
    """

    sigma_min: float = 0.02
    sigma_max: float = 100.0
    t_max: float = T_END

    def __post_init__(self) -> None:
        require("sigma_min", self.sigma_min, self.sigma_min > 0, "> 0")
        require("sigma_max", self.sigma_max, self.sigma_max > self.sigma_min, f"> sigma_min = {self.sigma_min}")

    def at(self, t: Tensor) -> Coefficients:
        rate = math.log(self.sigma_max / self.sigma_min)
        sigma = self.sigma_min * torch.exp(rate * (1 - t))
        return Coefficients(torch.ones_like(t), sigma, torch.zeros_like(t), -rate * sigma)

    @property
    def source_std(self) -> float:
        """Sigma at t = 0: the data's mean and spread are negligible beside it."""
        return self.sigma_max


def require(name: str, value: float, accepted: bool, text: str) -> None:  # noqa: FBT001 - the check itself, no switch
    """Refuse a parameter out of range, naming it, its value and the range.

    Raises:
        FmbenchError: not accepted.
    """
    if not accepted:
        raise FmbenchError(f"{name} = {value}: must be {text}")
