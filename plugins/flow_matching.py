"""Conditional flow matching on Gaussian paths: Lipman et al. 2023; and its kin with a Gaussian source."""

from __future__ import annotations

from fmbench.api import GaussianPathMethod, Task, paths


class FlowMatchingOT(GaussianPathMethod):
    """x_t = t x1 + (1 - (1 - sigma_min) t) x0, regressed on u = x1 - (1 - sigma_min) x0 (eqs. 20 to 23)."""

    predicts = "velocity"

    def __init__(self, task: Task, *, sigma_min: float) -> None:
        super().__init__(task, path=paths.CondOT(sigma_min))


class FlowMatchingVP(GaussianPathMethod):
    """The variance-preserving diffusion path, its velocity regressed (eqs. 18 and 19): "FM w/ Diffusion" in Table 1."""

    predicts = "velocity"

    def __init__(self, task: Task, *, beta_min: float, beta_max: float) -> None:
        super().__init__(task, path=paths.VP(beta_min, beta_max))


class FlowMatchingVE(GaussianPathMethod):
    """The variance-exploding diffusion path, its velocity regressed (eqs. 16 and 17)."""

    predicts = "velocity"

    def __init__(self, task: Task, *, sigma_min: float, sigma_max: float) -> None:
        super().__init__(task, path=paths.VE(sigma_min, sigma_max))


class TrigonometricInterpolant(GaussianPathMethod):
    """x_t = sin(pi t / 2) x1 + cos(pi t / 2) x0: Albergo and Vanden-Eijnden 2023, eq. 5."""

    path = paths.Trig()
    predicts = "velocity"
