"""What the training loop costs over a bare one: python benchmarks/loop_overhead.py [rounds].

Both train flow matching on the digits with the same network, batch and optimiser, in one process, in alternating
rounds; the figure is the median over rounds of the ratio of their times. The bare loop has what a researcher would
write in a script: data on the device, dequantisation, the loss, Adam. Averaging, clipping, the schedule, the log, the
NaN check and everything that makes a run resumable are what the ratio pays for.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from fmbench import commands
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import RunRequest
from fmbench.store.run import RunDirectory
from fmbench.training.loop import Trainer
from fmbench.training.pace import Cost
from fmbench.training.session import TrainingSession

STEPS = 50  # short rounds in turn, so that a drift of the machine meets both


def ours(run: RunRequest, folder: Path) -> float:
    """Seconds of the loop as fmbench runs it."""
    plugins = load_plugins(environ={})
    dataset = plugins.datasets.get("digits").load()()
    directory = RunDirectory(folder)
    trainer = Trainer(
        run.training,
        TrainingSession(dataset, plugins, Execution("cpu"), Silent()).build(run.training),
        dataset,
        directory,
        Execution("cpu"),
        Cost(),
    )
    trainer.run(Silent())
    return trainer.state.seconds


def bare(run: RunRequest) -> float:
    """Seconds of a hand-written loop."""
    plugins = load_plugins(environ={})
    dataset = plugins.datasets.get("digits").load()()
    network = TrainingSession(dataset, plugins, Execution("cpu"), Silent()).build(run.training).network.network
    settings = run.training.train
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=0.0, fused=True)
    data = dataset.train.float()
    begun = time.perf_counter()
    for _ in range(settings.steps):
        raw = data[torch.randint(0, len(data), (settings.batch_size,))]
        x1 = 2 * (raw + torch.rand_like(raw)) / 17 - 1
        x0, t = torch.randn_like(x1), torch.rand(len(x1))
        s = t[:, None, None, None]
        loss = (network(t, (1 - s) * x0 + s * x1) - (x1 - x0)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - begun


def main(rounds: int) -> None:
    """Alternate, and print the ratios."""
    (run,) = commands.plan(load_plugins(environ={}), methods=["fm-ot"], assignments=[f"train.steps={STEPS}"])
    ratios, times = [], []
    for index in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            a, b = ours(run, Path(folder)), bare(run)
        if index:  # the first round warms up
            ratios.append(a / b)
            times.append((a / STEPS * 1e3, b / STEPS * 1e3))
    low, _, high = statistics.quantiles(ratios, n=4)
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"medians of {rounds} rounds of {STEPS} steps: {a:.2f} ms a step, bare {b:.2f} ms")
    print(f"ratio: median {statistics.median(ratios):.3f}, quartiles {low:.3f} and {high:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
