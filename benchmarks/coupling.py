"""What optimal-transport coupling adds to a training step: python benchmarks/coupling.py [rounds].

A step of the default network at a given batch size, with the pairs as drawn and with the batch's plan, in one process
and in alternating rounds. The figures are medians over rounds of (with - without) / without; beside ours, POT's solver
and torchcfm's sampler where it is installed.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fmbench import commands
from fmbench.execution import Execution
from fmbench.paths.couplings import MinibatchOT
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.training.session import TrainingSession

STEPS = 10
Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def couplings() -> dict[str, Pair]:
    """Ways to pair a batch, by name."""
    generator = torch.Generator().manual_seed(0)
    ways: dict[str, Pair] = {"independent": lambda x0, x1: (x0, x1)}
    for solver in ("assignment", "emd"):
        ways[solver] = partial(MinibatchOT(solver).pair, generator=generator)
    if importlib.util.find_spec("torchcfm"):
        from torchcfm.optimal_transport import OTPlanSampler

        ways["torchcfm"] = OTPlanSampler("exact").sample_plan
    return ways


def seconds(network: torch.nn.Module, data: Tensor, size: int, pair: Pair) -> float:
    """Of STEPS steps of regression with the pairs that `pair` makes."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    begun = time.perf_counter()
    for _ in range(STEPS):
        x1 = data[torch.randint(0, len(data), (size,))]
        x0, x1 = pair(torch.randn_like(x1), x1)
        t = torch.rand(size)
        s = t.reshape(-1, *[1] * (x1.ndim - 1))
        loss = (network(t, (1 - s) * x0 + s * x1) - (x1 - x0)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - begun


def main() -> None:
    """Print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    plugins = load_plugins(environ={})
    for name, sizes in (("digits", (256, 512)), ("8gaussians", (256, 512))):
        (run,) = commands.plan(plugins, methods=["ot-cfm"], dataset=name)
        dataset = plugins.datasets.get(name).load()()
        data = dataset.transform.encode(dataset.train, torch.Generator().manual_seed(0), torch.float32)
        network = TrainingSession(dataset, plugins, Execution("cpu"), Silent()).build(run.training).network.network
        for size in sizes:
            times: dict[str, list[float]] = {way: [] for way in couplings()}
            for _ in range(rounds + 1):  # the first one warms up
                for way, pair in couplings().items():
                    times[way].append(seconds(network, data, size, pair))
            base = times.pop("independent")
            for way, taken in times.items():
                added = [with_ / without - 1 for with_, without in zip(taken[1:], base[1:], strict=True)]
                print(f"{name} batch {size}: {way} adds {100 * statistics.median(added):.0f} % to a step")


if __name__ == "__main__":
    main()
