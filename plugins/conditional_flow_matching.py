"""Conditional flow matching between two laws: Tong et al. 2024."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.api import Spread, Task, TwoSidedMethod, couplings


class IndependentCFM(TwoSidedMethod):
    """x_t ~ N(t x1 + (1 - t) x0, sigma^2 I), u = x1 - x0, x0 and x1 independent (section 3.2.2)."""

    def __init__(self, task: Task, *, source: str, sigma: float) -> None:
        super().__init__(task, source=task.source(source))
        self.sigma = sigma

    def spread(self, t: Tensor) -> Spread:
        """Keep sigma, whatever the time."""
        return Spread(torch.full_like(t, self.sigma), torch.zeros_like(t))


class OptimalTransportCFM(IndependentCFM):
    """As I-CFM, with x0 and x1 paired by the optimal-transport plan of the batch (section 3.2.3).

    Args:
        task: the shape and scale of the data, and the shared network.
        source: the law of x0.
        sigma: deviation of x_t about its mean.
        solver: of the plan.
        companions: batches beside its own that the plan sees; only the own batch's pairs are trained on.
    """

    def __init__(self, task: Task, *, source: str, sigma: float, solver: str, companions: int) -> None:
        super().__init__(task, source=source, sigma=sigma)
        self.coupling = couplings.MinibatchOT(solver)
        self.companions = companions


class SchroedingerBridgeCFM(TwoSidedMethod):
    """Brownian bridges of deviation sigma between points of the entropic plan (section 3.2.4).

    x_t ~ N(t x1 + (1 - t) x0, sigma^2 t (1 - t) I); the plan's regularisation is 2 sigma^2 (proposition 3.4). The
    velocity is infinite at both ends, so the range of t stops short of them.
    """

    interval = (1e-3, 1 - 1e-3)

    def __init__(self, task: Task, *, source: str, sigma: float, companions: int) -> None:
        super().__init__(task, source=task.source(source), coupling=couplings.Sinkhorn(2 * sigma**2))
        self.sigma, self.companions = sigma, companions

    def spread(self, t: Tensor) -> Spread:
        """sigma sqrt(t (1 - t))."""
        root = torch.sqrt(t * (1 - t))
        return Spread(self.sigma * root, self.sigma * (1 - 2 * t) / (2 * root))
