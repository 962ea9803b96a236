"""The reverse-time SDE of a Gaussian path, step by step: predictors, the Langevin corrector, annealed Langevin.

Every sampler here ends with a call of the network for E[x1 | x_t], which takes out the noise that is left.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from fmbench.paths.gaussian import LEVEL_MARGIN, Path
from fmbench.paths.objectives import Estimate
from fmbench.request.schema import Sampler
from fmbench.solvers import ancestral


class EstimatorLike(Protocol):
    """What these samplers ask of a method."""

    @property
    def path(self) -> Path:
        """The Gaussian path."""

    def estimate(self, t: float, x: Tensor) -> Estimate:
        """The network's answer at (t, x)."""


def euler_maruyama(method: EstimatorLike, x: Tensor, t: Tensor, s: Tensor, noise: Tensor) -> Tensor:
    """From time t to s of dx = (u + g^2 score / 2) dt + g dw (Song et al. 2021, eq. 6, in our direction of time)."""
    answer = method.estimate(float(t), x)
    squared = method.path.diffusion(t)
    drift = answer.read("velocity") + 0.5 * squared * answer.read("score")
    return x + (s - t) * drift + torch.sqrt(squared * (s - t)) * noise


def reverse_diffusion(method: EstimatorLike, x: Tensor, t: Tensor, s: Tensor, noise: Tensor) -> Tensor:
    """From time t to s by the forward step's own mean and variance (Song et al. 2021, eq. 46)."""
    step = ancestral.posterior(method.path, t, s)
    score = method.estimate(float(t), x).read("score")
    return (2 - step.ratio) * x + step.forward * score + step.forward.sqrt() * noise


PREDICTORS = {
    "euler-maruyama": euler_maruyama,
    "reverse-diffusion": reverse_diffusion,
    "pc": reverse_diffusion,
    "pc-em": euler_maruyama,
}


def corrected(method: EstimatorLike, x: Tensor, t: Tensor, snr: float, noise: Tensor) -> Tensor:
    """One Langevin step at time t (Song et al. 2021, algorithms 4 and 5).

    Their step 2 alpha (snr |noise| / |score|)^2 takes both norms over the batch, so that a sample depends on its
    neighbours; here both are replaced by what they are for a single data point, sqrt(d) and sqrt(d) / sigma.
    """
    c = method.path.at(t)
    step = 2 * (snr * c.sigma) ** 2
    return x + step * method.estimate(float(t), x).read("score") + torch.sqrt(2 * step) * noise


def sample(method: EstimatorLike, x0: Tensor, settings: Sampler, generator: torch.Generator) -> Tensor:
    """Carry x0, (n, ...), from noise to data in settings.steps predictions, each followed by the corrections asked for.

    Song et al. 2021, algorithm 1. steps (1 + corrections) + 1 calls of the network.
    """
    predict = PREDICTORS[settings.name]
    path = method.path
    times = torch.linspace(path.t_min, 1 - LEVEL_MARGIN, settings.steps + 1, dtype=torch.float64, device=x0.device)
    x = x0
    with torch.no_grad():
        for t, s in pairwise(times):
            x = predict(method, x, t, s, _noise(x, generator))
            for _ in range(int(settings.options.get("corrections", 0))):
                x = corrected(method, x, s, float(settings.options["snr"]), _noise(x, generator))
        return method.estimate(float(times[-1]), x).read("data")


def langevin(method: EstimatorLike, x0: Tensor, settings: Sampler, generator: torch.Generator) -> Tensor:
    """Annealed Langevin dynamics over settings.steps noise levels, as many steps at each as option `corrections` says.

    Song and Ermon 2019, algorithm 1, with the last denoising of Jolicoeur-Martineau et al. 2021. The step is
    proportional to sigma^2. On a path whose alpha changes, x / alpha is what is annealed.
    """
    path = method.path
    levels = path.levels(settings.steps).to(x0.device)
    x = x0
    with torch.no_grad():
        for index, t in enumerate(levels):
            if index:
                x = x * path.at(t).alpha / path.at(levels[index - 1]).alpha
            for _ in range(int(settings.options["corrections"])):
                x = corrected(method, x, t, float(settings.options["snr"]), _noise(x, generator))
        return method.estimate(float(levels[-1]), x).read("data")


def _noise(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
