"""Likelihood and samples beside flow_matching's and torchdiffeq called plainly: python benchmarks/peers.py [rounds].

Flow matching on the digits is trained once. Then, in one process and in rounds in turn: the log-densities of the 360
held-out digits with one probe, and 1000 samples, at a tolerance of 1e-5. The peers have the same velocity and probe,
and their states are float32, as they come. Errors are root mean squares of the differences from a solve at 1e-9, in
bits/dim, and of a coordinate of a sample.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
from solvers import trained  # the script beside this one
from torch import Tensor
from torchdiffeq import odeint

from fmbench.data.digits import digits
from fmbench.methods.flow import FlowMethod
from fmbench.request.schema import Sampler
from fmbench.seeding import stream
from fmbench.solvers.likelihood import LikelihoodSettings, bits_per_dim, rademacher
from fmbench.solvers.nfe import counted

SAMPLES = 1000
Solve = Callable[[], Tensor]


def likelihoods(method: FlowMethod) -> dict[str, Solve]:
    """Ways to the log-densities; the first is the truth."""
    from flow_matching.solver import ODESolver
    from flow_matching.utils import ModelWrapper

    data = digits()
    x = data.transform.encode(data.test, stream("cpu", 0, "dequantise"))

    class Peer(ModelWrapper):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            """Its first step may look outside the interval."""
            return method.velocity(min(max(float(t), 0.0), 1.0), x)

    def ours(solver: str, tolerance: float) -> Tensor:
        settings = LikelihoodSettings(solver=solver, rtol=tolerance, atol=tolerance, probes=1)
        return method.log_prob(x, settings, stream("cpu", 0, "probes")).value

    (probe,) = rademacher(1, x, stream("cpu", 0, "probes"))

    def theirs() -> Tensor:
        with patch.object(torch, "randn_like", lambda _: -probe):  # whose sign it takes for its probe
            found = ODESolver(Peer(method)).compute_likelihood(
                x.float(), method.source_log_prob, step_size=None, method="dopri5", rtol=1e-5, atol=1e-5
            )
        return found[1].detach()

    return {
        "truth": partial(ours, "dopri5", 1e-9),
        "ours, dopri5 at 1e-5": partial(ours, "dopri5", 1e-5),
        "ours, bosh3 at 1e-4": partial(ours, "bosh3", 1e-4),
        "flow_matching, dopri5 at 1e-5": theirs,
    }


def samples(method: FlowMethod) -> dict[str, Solve]:
    """Ways to samples from the same noise; the first is the truth."""
    from flow_matching.solver import ODESolver
    from flow_matching.utils import ModelWrapper

    noise = method.source(SAMPLES, stream("cpu", 0, "noise"))

    class Peer(ModelWrapper):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            """Its first step may look outside the interval."""
            return method.velocity(min(max(float(t), 0.0), 1.0), x)

    def ours(tolerance: float) -> Tensor:
        return method.carry(noise, Sampler(rtol=tolerance, atol=tolerance), stream("cpu", 0, "nothing"))

    def peer() -> Tensor:
        return ODESolver(Peer(method)).sample(noise.float(), step_size=None, method="dopri5")

    def plain() -> Tensor:
        times = torch.tensor([0.0, 1.0])
        with torch.no_grad():
            return odeint(lambda t, x: method.velocity(float(t), x), noise.float(), times, rtol=1e-5, atol=1e-5)[-1]

    return {
        "truth": partial(ours, 1e-9),
        "ours": partial(ours, 1e-5),
        "flow_matching": peer,
        "torchdiffeq": plain,
    }


def compare(method: FlowMethod, ways: dict[str, Solve], rounds: int, error: Callable[[Tensor, Tensor], float]) -> None:
    """Alternate, and print a line for each way."""
    truth = ways.pop("truth")()
    times: dict[str, list[float]] = {name: [] for name in ways}
    facts = {}
    for _ in range(rounds + 1):  # the first one warms up
        for name, solve in ways.items():
            with counted(method) as count:
                begun = time.perf_counter()
                found = solve()
                times[name].append(time.perf_counter() - begun)
            facts[name] = f"{count.calls:.0f} calls, error {error(found, truth):.1e}"
    first = next(iter(ways))
    for name, taken in times.items():
        ratios = [other / own for other, own in zip(taken[1:], times[first][1:], strict=True)]
        print(
            f"{name:30s} {statistics.median(taken[1:]):6.2f} s, {statistics.median(ratios):.2f} of ours; {facts[name]}"
        )


def main(rounds: int) -> None:
    """Both."""
    data = digits()
    method, dimension = trained("fm-ot", 2400, data), data.dimension
    print(f"{torch.get_num_threads()} threads, {rounds} rounds\n\nlog-densities of 360 digits")
    compare(
        method,
        likelihoods(method),
        rounds,
        lambda found, truth: float(bits_per_dim(found - truth, dimension).square().mean().sqrt()),
    )
    print(f"\n{SAMPLES} samples")
    compare(method, samples(method), rounds, lambda found, truth: float((found - truth).square().mean().sqrt()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
