"""Ancestral sampling: draw each state from the posterior given the one before it and the estimate of x1."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fmbench.paths.gaussian import Path
from fmbench.request.schema import Sampler


class DenoiserLike(Protocol):
    """What ancestral sampling asks of a method."""

    @property
    def path(self) -> Path:
        """The Gaussian path."""

    def denoise(self, t: float, x: Tensor) -> Tensor:
        """The estimate of x1."""


class Posterior(NamedTuple):
    """q(x_s | x_t, x1) = N(from_x x_t + from_data x1, variance I) for s closer to the data than t.

    q(x_t | x_s) = N(ratio x_s, forward I): `forward` is the beta of DDPM, `ratio` its sqrt(1 - beta).
    """

    from_x: Tensor
    from_data: Tensor
    variance: Tensor
    forward: Tensor
    ratio: Tensor

    def step_variance(self, kind: str) -> Tensor:
        """The variance of a sampling step, "fixedsmall" or "fixedlarge" (Ho et al. 2020, section 3.2).

        Without noise where the posterior has none, as in their last step.
        """
        return self.forward if kind == "fixedlarge" and self.variance > 0 else self.variance


def posterior(path: Path, t: Tensor, s: Tensor) -> Posterior:
    """The posterior between two times t < s (0-dimensional, float64), for any path with alpha(s) > 0.

    Ho et al. 2020, eqs. 6 and 7, with alpha and sigma in place of products of betas.
    """
    now, later = path.at(t), path.at(s)
    ratio = now.alpha / later.alpha
    forward = now.sigma**2 - ratio**2 * later.sigma**2
    return Posterior(
        from_x=ratio * later.sigma**2 / now.sigma**2,
        from_data=later.alpha * forward / now.sigma**2,
        variance=forward * later.sigma**2 / now.sigma**2,
        forward=forward,
        ratio=ratio,
    )


def grid(path: Path, steps: int, device: torch.device) -> Tensor:
    """The times t_min = t_0 < ... < t_steps = 1 of a chain of that many posteriors, float64.

    The network is called at all but the last. The chain ends at t = 1 itself, also where the path's range stops
    short of it: the posterior there is the estimate of x1, without noise, where sigma(1) = 0.
    """
    return torch.linspace(path.t_min, 1.0, steps + 1, dtype=torch.float64, device=device)


def sample(method: DenoiserLike, x0: Tensor, settings: Sampler, generator: torch.Generator) -> Tensor:
    """Carry x0, of shape (n, ...), from noise to data in settings.steps posteriors (Ho et al. 2020, algorithm 2).

    Option `variance` is that of a step: "fixedsmall", the posterior's, or "fixedlarge", the forward step's.
    """
    x, variance = x0, str(settings.options.get("variance", "fixedsmall"))
    times = grid(method.path, settings.steps, x.device)
    with torch.no_grad():
        for t, s in pairwise(times):
            step = posterior(method.path, t, s)
            mean = step.from_x * x + step.from_data * method.denoise(float(t), x)
            noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = mean + step.step_variance(variance).sqrt() * noise
    return x
