"""A stranger's sampler: Adams-Bashforth, which reuses the velocities of the steps before."""

import torch

from fmbench.api import Option, SamplerSpec, hookimpl

WEIGHTS = {1: [1.0], 2: [1.5, -0.5], 3: [23 / 12, -16 / 12, 5 / 12]}


def sample(method, x0, settings, generator):
    """x_{i+1} = x_i + h sum_j w_j u_{i-j}, started with lower orders; one call of the network per step."""
    low, high = method.interval
    times = torch.linspace(low, high, settings.steps + 1, dtype=torch.float64).tolist()
    x, velocities = x0, []
    with torch.no_grad():
        for t, s in zip(times, times[1:]):
            velocities = [method.velocity(t, x), *velocities][: settings.options["order"]]
            x = x + (s - t) * sum(w * u for w, u in zip(WEIGHTS[len(velocities)], velocities, strict=True))
    return x


@hookimpl
def fmbench_samplers():
    order = Option(default=2, ge=1, le=3, help="velocities that a step is made of")
    return [SamplerSpec("ab", f"{__name__}:sample", "Adams-Bashforth", {"order": order}, needs="velocity", steps=20)]
