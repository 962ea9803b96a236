"""A training step beside torchcfm's and a bare one, plain and compiled: python benchmarks/step.py [rounds batch].

Flow matching on the digits (i-cfm, fm-ot, ot-cfm) with the default network, in one process and in rounds in turn. The
peer is the loop of torchcfm's examples with its own path, coupling and Adam; the bare one is what a researcher tunes by
hand: data on the device, the loss, a fused Adam. Neither keeps an average, clips, logs, or could be resumed. Figures
are medians over rounds, of milliseconds per step and of the ratio of a loop's time to ours in the same round.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fmbench import commands
from fmbench.data.digits import digits
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import RunRequest
from fmbench.store.run import RunDirectory
from fmbench.training.batches import Batches
from fmbench.training.loop import Trainer
from fmbench.training.pace import Cost
from fmbench.training.session import TrainingSession

STEPS = 40
LEVELS = 17
WAYS = {
    "compiled": ("train.compile=true",),
    "bf16-mixed": ("train.precision=bf16-mixed",),
    "both": ("train.precision=bf16-mixed", "train.compile=true"),
}
Loop = Callable[[], float]
Pair = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
Products = Callable[[], AbstractContextManager[Any]]


def bfloat16() -> AbstractContextManager[Any]:
    """Products in bfloat16."""
    return torch.autocast("cpu", torch.bfloat16)


def session() -> TrainingSession:
    """On the digits."""
    return TrainingSession(digits(), load_plugins(environ={}), Execution("cpu"), Silent())


def ours(run: RunRequest, *, ahead: bool = False) -> float:
    """Seconds of fmbench's own loop; a coupling is solved ahead, or in its turn."""
    here = session()
    with tempfile.TemporaryDirectory() as folder:
        method = here.build(run.training)
        trainer = Trainer(run.training, method, here.dataset, RunDirectory(Path(folder)), here.execution, Cost())
        size, seed, pair = run.training.train.batch_size, run.training.seed, method.ahead if ahead else None
        trainer.batches = Batches(here.dataset, size, seed, trainer.fabric.device, method.companions, pair)
        trainer.run(Silent())
    return trainer.state.seconds


def straight(x0: Tensor, x1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(t, x_t, u_t) on the line between noise and data, as one writes it down."""
    t = torch.rand(len(x1))
    s = t[:, None, None, None]
    return t, (1 - s) * x0 + s * x1, x1 - x0


def by_hand(run: RunRequest, pair: Pair, products: Products = nullcontext, *, fused: bool = False) -> float:
    """Seconds of a loop written by hand.

    Args:
        run: whose network and settings it has.
        pair: what makes (t, x_t, u_t) of (x0, x1).
        products: the context of the loss.
        fused: whether Adam is one kernel.
    """
    here = session()
    network = here.build(run.training).network.network  # the shared one, within what counts its calls
    settings, data = run.training.train, here.dataset.train.float()
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=0.0, fused=fused or None)
    begun = time.perf_counter()
    for _ in range(settings.steps):
        raw = data[torch.randint(0, len(data), (settings.batch_size,))]
        x1 = 2 * (raw + torch.rand_like(raw)) / LEVELS - 1
        t, x, u = pair(torch.randn_like(x1), x1)
        with products():
            loss = (network(t, x) - u).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - begun


def planned(method: str, batch: int, *said: str) -> RunRequest:
    """A run of a few steps."""
    short = [f"train.steps={STEPS}", f"train.batch_size={batch}", "train.warmup=1", *said]
    return commands.plan(load_plugins(environ={}), methods=[method], assignments=short)[0]


def loops(batch: int) -> dict[str, dict[str, Loop]]:
    """Who takes a step, by method."""
    from torchcfm import conditional_flow_matching as torchcfm

    peers = {
        "i-cfm": torchcfm.ConditionalFlowMatcher(sigma=0.0),
        "fm-ot": torchcfm.TargetConditionalFlowMatcher(sigma=1e-4),
        "ot-cfm": torchcfm.ExactOptimalTransportConditionalFlowMatcher(sigma=0.0),
    }
    found: dict[str, dict[str, Loop]] = {}
    for name, peer in peers.items():
        plain = planned(name, batch)
        found[name] = {"ours": partial(ours, plain)}
        for way, said in WAYS.items():
            found[name][f"ours, {way}"] = partial(ours, planned(name, batch, *said))
        found[name]["torchcfm"] = partial(by_hand, plain, peer.sample_location_and_conditional_flow)
    found["ot-cfm"]["ours, plan ahead"] = partial(ours, planned("ot-cfm", batch), ahead=True)
    plain = planned("i-cfm", batch)
    found["i-cfm"]["bare"] = partial(by_hand, plain, straight, fused=True)
    found["i-cfm"]["bare, bfloat16"] = partial(by_hand, plain, straight, bfloat16, fused=True)
    return found


def main(rounds: int, batch: int) -> None:
    """Alternate, and print a table."""
    print(f"batch {batch}, {torch.get_num_threads()} threads, {rounds} rounds of {STEPS} steps")
    for method, ways in loops(batch).items():
        times: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(rounds + 1):
            for name, loop in ways.items():
                seconds = loop()
                if round_:  # the first round warms up
                    times[name].append(seconds)
        for name, taken in times.items():
            ratios = [taken[i] / times["ours"][i] for i in range(rounds)]
            each = 1e3 * statistics.median(taken) / STEPS
            print(f"{method:8s} {name:18s} {each:7.2f} ms a step, {statistics.median(ratios):5.2f} of ours")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]) if len(sys.argv) == 3 else (15, 256))
