"""Exponential integrators of the probability-flow ODE: exact in its linear part, whatever the step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fmbench.request.schema import Sampler
from fmbench.solvers.ancestral import DenoiserLike


def sample(method: DenoiserLike, x0: Tensor, settings: Sampler, generator: torch.Generator) -> Tensor:
    """Carry x0, (n, ...), from noise to data in settings.steps calls of the network.

    Between two times x_s = (sigma_s / sigma_t) x_t + alpha_s (1 - exp(-h)) D with h the step in log(alpha / sigma).
    "ddim" takes D from the estimate of x1 at t (Song, Meng and Ermon 2021, eq. 12 with no noise); "dpm-solver"
    extrapolates it from the last two estimates (Lu et al. 2022, DPM-Solver++, algorithm 2). The times are equally
    spaced in log(alpha / sigma); the last step ends at t = 1.
    """
    del generator  # the ODE is deterministic
    path, multistep = method.path, settings.name == "dpm-solver"
    times = torch.cat([path.levels(settings.steps), torch.ones(1, dtype=torch.float64)])
    times[0] = path.t_min
    c = path.at(times)
    snr = path.log_snr(times).tolist()
    x, before = x0, x0
    with torch.no_grad():
        for i in range(settings.steps):
            data = method.denoise(float(times[i]), x)
            step, last = snr[i + 1] - snr[i], snr[i] - snr[i - 1] if i else math.inf
            ahead = data
            if multistep and math.isfinite(step) and math.isfinite(last):
                ahead = data + step / (2 * last) * (data - before)
            keep = float(c.sigma[i + 1] / c.sigma[i])
            x = keep * x + float(c.alpha[i + 1] - keep * c.alpha[i]) * ahead
            before = data
    return x
