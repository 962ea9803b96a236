"""By how much the W2^2 in `npe` is too large where the truth is known: python benchmarks/path_energy.py [seeds].

Between N(0, I) and gaussian-2d in model space, as the metric computes it: 4096 points chosen evenly from a pool of the
source and from the training split. Each seed is a pool and a choice of its own; the training split is the one that
there is.
"""

from __future__ import annotations

import math
import statistics
import sys

import torch

from fmbench.data.base import Standardise
from fmbench.data.planar import Gaussian, gaussian_2d
from fmbench.metrics.path_energy import POOL, spread
from fmbench.metrics.transport import squared_wasserstein2

LEVELS = 12  # of halving: 4096 points


def truth(law: Gaussian, transform: Standardise) -> float:
    """W2^2 between N(0, I) and a transformed Gaussian, by its mean and the deviations along its axes."""
    deviations = torch.linalg.svdvals(law.factor / transform.scale)
    mean = transform.encode(law.mean[None], torch.Generator())
    return float(mean.square().sum() + (deviations - 1).square().sum())


def main(seeds: int) -> None:
    """The mean excess over seeds, its standard error, and the deviation of one choice."""
    data = gaussian_2d()
    assert isinstance(data.density, Gaussian)
    assert isinstance(data.transform, Standardise)
    right = truth(data.density, data.transform)
    points = data.transform.encode(data.train, torch.Generator())
    excess = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        pool = torch.randn(POOL << LEVELS, 2, generator=generator, dtype=torch.float64)
        found = squared_wasserstein2(spread(pool, LEVELS, generator), spread(points, LEVELS, generator))
        excess.append(100 * (found / right - 1))
        sys.stdout.write(f"seed {seed}: {found:.5f}, {excess[-1]:+.2f} % over {right:.5f}\n")
        sys.stdout.flush()
    deviation = statistics.stdev(excess)
    error = deviation / math.sqrt(seeds)
    sys.stdout.write(
        f"{statistics.mean(excess):.2f} +- {error:.2f} % too large; deviation of a choice {deviation:.2f} %\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
