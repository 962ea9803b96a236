"""What the training loop costs over a bare one: python benchmarks/loop_overhead.py [rounds].

Both train flow matching on the digits with the same network, batch and optimiser, in one process, in alternating
rounds; the figure is the median over rounds of the ratio of their times. The bare loop has what a researcher would
write in a script: data on the device, dequantisation, the loss, Adam. Averaging, clipping, the schedule, the log, the
NaN check and everything that makes a run resumable are what the ratio pays for.
"""

from __future__ import annotations

import statistics
import sys

from step import by_hand, ours, straight  # the script beside this one

from fmbench import commands
from fmbench.registry.discovery import load_plugins

STEPS = 50  # short rounds in turn, so that a drift of the machine meets both


def main(rounds: int) -> None:
    """Alternate, and print the ratios."""
    (run,) = commands.plan(load_plugins(environ={}), methods=["fm-ot"], assignments=[f"train.steps={STEPS}"])
    ratios, times = [], []
    for index in range(rounds + 1):
        a, b = ours(run), by_hand(run, straight, fused=True)
        if index:  # the first round warms up
            ratios.append(a / b)
            times.append((a / STEPS * 1e3, b / STEPS * 1e3))
    low, _, high = statistics.quantiles(ratios, n=4)
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"medians of {rounds} rounds of {STEPS} steps: {a:.2f} ms a step, bare {b:.2f} ms")
    print(f"ratio: median {statistics.median(ratios):.3f}, quartiles {low:.3f} and {high:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
