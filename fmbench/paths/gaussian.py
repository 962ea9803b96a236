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

LEVEL_MARGIN = 1e-3
COSINE_OFFSET = 0.008
BISECTIONS = 60  # halvings of [0, 1]: beyond float64
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
        """Draw n times, uniform on the path's range; shape (n,), float64."""
        u = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        return self.t_min + (self.t_max - self.t_min) * u

    def diffusion(self, t: Tensor) -> Tensor:
        """g^2(t) of the reverse SDE dx = (u + g^2 score / 2) dt + g dw, which has the marginals of the path.

        The diffusion whose forward process the path describes: g^2 = 2 sigma (sigma alpha'/alpha - sigma')
        (Kingma et al. 2021, eq. 8, with time reversed). Any other g >= 0 would do (Albergo et al. 2023, theorem 2.8).
        """
        c = self.at(t)
        return 2 * c.sigma * (c.sigma * c.d_alpha / c.alpha - c.d_sigma)

    def log_snr(self, t: Tensor) -> Tensor:
        """lambda(t) = log(alpha / sigma), rising with t."""
        c = self.at(t)
        return torch.log(c.alpha) - torch.log(c.sigma)

    def levels(self, n: int) -> Tensor:
        """Give n times, equally spaced in log(alpha / sigma), float64: the noise levels of Langevin and DPM-Solver.

        They keep LEVEL_MARGIN from 0 and 1, where the logarithm may be infinite.
        """
        ends = torch.tensor(
            [max(self.t_min, LEVEL_MARGIN if self.at(torch.zeros(1).double()).alpha == 0 else 0), 1 - LEVEL_MARGIN],
            dtype=torch.float64,
        )
        low, high = self.log_snr(ends).tolist()
        wanted = torch.linspace(low, high, n, dtype=torch.float64)
        below, above = ends[0].expand(n).clone(), ends[1].expand(n).clone()
        for _ in range(BISECTIONS):
            middle = (below + above) / 2
            less = self.log_snr(middle) < wanted
            below, above = torch.where(less, middle, below), torch.where(less, above, middle)
        return (below + above) / 2

    @property
    def source_std(self) -> float:
        """Standard deviation of the Gaussian from which x at t_min is drawn."""
        return 1.0

    def source(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw n points from the law of x at t_min; shape (n, *shape), float64."""
        noise = torch.randn(n, *shape, generator=generator, device=generator.device, dtype=torch.float64)
        return self.source_std * noise

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of that law, in nats; x of shape (n, ...), result (n,)."""
        flat = x.flatten(1) / self.source_std
        dimension = flat.shape[1]
        constant = dimension * (math.log(self.source_std) + 0.5 * math.log(2 * math.pi))
        return -0.5 * flat.square().sum(1) - constant


class _FromNothing(Path):
    """Paths with alpha(0) = 0, which no forward diffusion reaches: its g^2 would be infinite at t = 0."""

    def diffusion(self, t: Tensor) -> Tensor:
        """g^2 = 2 sigma: finite at t = 0, zero with sigma at t = 1 (Ma et al. 2024, section 2.4)."""
        return 2 * self.at(t).sigma


@dataclass(frozen=True)
class CondOT(_FromNothing):
    """alpha = t, sigma = 1 - (1 - sigma_min) t: Lipman et al. 2023, eq. 20."""

    sigma_min: float = 1e-4

    def __post_init__(self) -> None:
        require("sigma_min", self.sigma_min, 0 < self.sigma_min < 1, "in (0, 1)")

    def at(self, t: Tensor) -> Coefficients:
        slope = 1 - self.sigma_min
        ones = torch.ones_like(t)
        return Coefficients(t, 1 - slope * t, ones, -slope * ones)


@dataclass(frozen=True)
class Linear(_FromNothing):
    """alpha = t, sigma = 1 - t: Liu et al. 2023, eq. 1."""

    def at(self, t: Tensor) -> Coefficients:
        ones = torch.ones_like(t)
        return Coefficients(t, 1 - t, ones, -ones)


@dataclass(frozen=True)
class Trig(_FromNothing):
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
class Cosine(Path):
    """alpha = cos(a(s)) / cos(a(0)), a(s) = (pi/2) (s + .008) / 1.008, sigma^2 = 1 - alpha^2.

    Nichol and Dhariwal 2021, eq. 17. At t = 0, where alpha is zero, their chain clips beta; here the range of t stops
    at 1e-3.
    """

    t_min: float = 1e-3
    t_max: float = T_END

    def at(self, t: Tensor) -> Coefficients:
        rate = math.pi / 2 / (1 + COSINE_OFFSET)
        angle = rate * (1 - t + COSINE_OFFSET)
        start = rate * COSINE_OFFSET
        alpha = torch.cos(angle) / math.cos(start)
        # 1 - alpha^2 without cancellation: cos^2 a - cos^2 b = sin(b - a) sin(b + a)
        sigma = torch.sqrt(torch.sin(angle - start) * torch.sin(angle + start)) / math.cos(start)
        d_alpha = rate * torch.sin(angle) / math.cos(start)
        return Coefficients(alpha, sigma, d_alpha, -alpha * d_alpha / sigma)


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
