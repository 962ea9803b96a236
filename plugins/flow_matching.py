"""Conditional flow matching: Lipman et al. 2023."""

from __future__ import annotations

from fmbench.api import GaussianPathMethod, Task, paths


class FlowMatchingOT(GaussianPathMethod):
    """x_t = t x1 + (1 - (1 - sigma_min) t) x0, regressed on u = x1 - (1 - sigma_min) x0 (eqs. 20 to 23)."""

    predicts = "velocity"

    def __init__(self, task: Task, *, sigma_min: float) -> None:
        super().__init__(task, path=paths.CondOT(sigma_min))
