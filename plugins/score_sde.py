"""Score-based models through stochastic differential equations: Song et al. 2021; the baselines of Lipman et al. 2023.

All of them learn the score; on the unit-variance output the weight lambda = sigma^2 is weight 1.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from fmbench.api import GaussianPathMethod, Task, paths


class VESDE(GaussianPathMethod):
    """The variance-exploding SDE (eq. 9), lambda = sigma^2 (eq. 7)."""

    predicts = "score"

    def __init__(self, task: Task, *, sigma_min: float, sigma_max: float) -> None:
        super().__init__(task, path=paths.VE(sigma_min, sigma_max))


class VPSDE(GaussianPathMethod):
    """The variance-preserving SDE (eq. 11), lambda = sigma^2.

    Also the row "score matching" of Lipman et al. 2023, appendix E.1, which samples its probability-flow ODE. Up to
    the sign of the network's output it is the noise matching of DDPM: their rows differ by what training makes of that.
    """

    predicts = "score"

    def __init__(self, task: Task, *, beta_min: float, beta_max: float) -> None:
        super().__init__(task, path=paths.VP(beta_min, beta_max))


class SubVPSDE(GaussianPathMethod):
    """The sub-VP SDE (eq. 12), lambda = sigma^2."""

    predicts = "score"

    def __init__(self, task: Task, *, beta_min: float, beta_max: float) -> None:
        super().__init__(task, path=paths.SubVP(beta_min, beta_max))


class ScoreFlow(VPSDE):
    """Maximum-likelihood weighting, lambda = g^2 = beta, by importance sampling of t: Song et al. 2021b, section 3.

    On the unit-variance output lambda = beta is the weight beta / sigma^2, which is infinite at the data end. t is
    drawn with that density instead, and the weight becomes 1 (their eq. 14 and appendix B). With T the integral of
    beta, the density of T is 1 / (1 - exp(-T)), whose integral log(exp(T) - 1) is inverted here.
    """

    def sample_time(self, n: int, generator: Generator) -> Tensor:
        """(n,), float64, with density proportional to beta / sigma^2 on the path's range."""
        path = self.path
        ends = torch.tensor([path.t_max, path.t_min], dtype=torch.float64, device=generator.device)
        low, high = torch.log(torch.expm1(self._integral(1 - ends)))
        u = torch.rand(n, generator=generator, device=generator.device, dtype=torch.float64)
        total = torch.nn.functional.softplus(low + u * (high - low))  # log(1 + e^y) inverts log(e^T - 1)
        return (1 - self._inverse(total)).clamp(path.t_min, path.t_max)

    def _integral(self, s: Tensor) -> Tensor:
        """T(s), the integral of beta from the data end, s = 1 - t."""
        path = self.path
        return 0.5 * s * s * (path.beta_max - path.beta_min) + s * path.beta_min

    def _inverse(self, total: Tensor) -> Tensor:
        """The s of T."""
        path = self.path
        slope = path.beta_max - path.beta_min
        # The stable root of slope s^2 / 2 + beta_min s = T, also for slope = 0.
        return 2 * total / (path.beta_min + torch.sqrt(path.beta_min**2 + 2 * slope * total))
