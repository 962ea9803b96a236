"""What metrics cost: python benchmarks/metrics.py [rounds].

The Frechet distance at d = 2048 beside clean-fid's (scipy's sqrtm) on the same numbers in the same process, in
alternating rounds; that of few points; the likelihood of the 360 held-out digits with the default network, one probe
and one draw; and what precision, recall, density and coverage of 10 000 images hold in memory.
"""

from __future__ import annotations

import statistics as stats
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from fmbench import commands
from fmbench.execution import Execution
from fmbench.metrics.frechet import frechet_distance, statistics
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory

# Not getrusage: what it calls the maximum a child inherits from the process that started it.
PEAK = """
import re, torch
from pathlib import Path
from fmbench.metrics.prdc import prdc
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**20
before = peak()
real, fake = torch.randn(10_000, 64).double(), torch.randn(10_000, 64).double()
prdc(real, fake, 5)
print(peak() - before)
"""


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Its result, and its seconds."""
    begun = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begun


def frechet(rounds: int) -> None:
    """Ours against clean-fid's, d = 2048."""
    from cleanfid.fid import frechet_distance as theirs

    generator = torch.Generator().manual_seed(0)
    spread = torch.arange(1, 2049, dtype=torch.float64) ** -0.5
    mixing = torch.linalg.qr(torch.randn(2048, 2048, generator=generator, dtype=torch.float64))[0]
    x, y = ((torch.randn(5000, 2048, generator=generator) * spread @ mixing) for _ in range(2))
    a, b = statistics(x), statistics(1.1 * y)
    arrays = [one.numpy() for side in (a, b) for one in (side.mean, side.covariance)]
    ratios = []
    for _ in range(rounds):
        ours, seconds = timed(lambda: frechet_distance(a, b))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's, about an argument that clean-fid gives it
            value, theirs_seconds = timed(lambda: float(theirs(*arrays)))
        ratios.append(theirs_seconds / seconds)
        print(
            f"d = 2048: {seconds:.2f} s, clean-fid {theirs_seconds:.2f} s; relative difference {ours / value - 1:.1e}"
        )
    print(f"d = 2048: clean-fid takes {stats.median(ratios):.1f} times as long (median of {rounds} rounds)")
    few = statistics(x[:500])
    print(
        f"n = 500 < d = 2048: {timed(lambda: frechet_distance(few, a))[1]:.3f} s against many, "
        f"{timed(lambda: frechet_distance(few, statistics(y[:500])))[1]:.3f} s against few, statistics included"
    )


def likelihood() -> None:
    """Of 360 digits, one probe, one draw, without the check of the solver's error."""
    plugins = load_plugins(environ={})
    said = ["nll.probes=1", "nll.checked=1", "train.steps=300"]
    runs = commands.plan(plugins, methods=["fm-ot"], metrics=["nll"], assignments=said)
    with tempfile.TemporaryDirectory() as folder:
        commands.carry_out(
            commands.locate(runs, Path(folder)), plugins, results=Path(folder), execution=Execution("cpu")
        )
        record = next(one for one in RunDirectory.of(Path(folder), runs[0]).metrics() if one.name == "nll")
    work = record.details
    print(f"NLL of 360 digits: {record.seconds:.1f} s, {work['calls']:.0f} calls, {work['vjps']:.0f} VJPs")


def memory() -> None:
    """Of precision, recall, density and coverage, 10 000 images a side, d = 64."""
    answer = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    print(f"PRDC of 10 000 x 10 000 at d = 64: {float(answer.stdout):.2f} GiB above the imports")


if __name__ == "__main__":
    frechet(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    likelihood()
    memory()
