"""Wasserstein distance between generated and true points, exact in blocks and along lines."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import ot
import torch
from torch import Tensor

from fmbench.errors import SolverError
from fmbench.metrics import truth
from fmbench.metrics.base import Evaluation, Metric, MetricValue, mean_and_error, over_sets

ITERATIONS = 10_000_000  # POT's own limit, 100 000, is met at 5000 points
PROJECTIONS = 200


def squared_wasserstein2(x: Tensor, y: Tensor) -> float:
    """W2^2 between equally heavy points: the least mean squared distance of any plan, by POT's network simplex.

    Args:
        x: (n, d), float64.
        y: (m, d), float64.

    Raises:
        SolverError: a point is not finite, or the solver stopped before the optimum.
    """
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise SolverError("W2: a point is not finite")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        cost = float(ot.emd2([], [], ot.dist(x.numpy(), y.numpy()), numItermax=ITERATIONS))
    if warned:
        raise SolverError(f"W2: {' '.join(str(warned[0].message).split())}")
    return max(cost, 0.0)  # rounding may leave equal sets a little below


def wasserstein2(x: Tensor, y: Tensor) -> float:
    """W2 between equally heavy points, in their unit; see `squared_wasserstein2`."""
    return math.sqrt(squared_wasserstein2(x, y))


def sliced(x: Tensor, y: Tensor) -> float:
    """Sliced W2: root mean square of W2 over 200 fixed random directions (Bonneel et al. 2015); x (n, d), y (m, d)."""
    return float(ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), n_projections=PROJECTIONS, seed=0))


class Wasserstein(Metric):
    """W2 to a fixed sample of the density, in raw coordinates, beside that of a second true sample.

    Two true samples are apart by what their mode counts differ in, more the fewer points they have, so a distance is
    read against its floor and never across sizes.

    Args:
        n: points of a block.
        blocks: disjoint blocks of a set, at most.
    """

    def __init__(self, *, n: int, blocks: int) -> None:
        self.n, self.blocks = n, blocks

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """Exact W2, the mean over blocks and sets; sliced W2 of whole sets; and their floors."""
        size = evaluation.sampler.samples
        reference = truth.reference(evaluation.dataset, size)
        generated = [sample_set.raw for sample_set in evaluation.samples]
        true = [truth.second(evaluation.dataset, size)]
        evaluation.progress.stage("W2", len(generated) + 1)
        return [
            self._exact("w2", generated, reference),
            self._exact("w2-floor", true, reference),
            self._sliced("sliced-w2", generated, reference),
            self._sliced("sliced-w2-floor", true, reference),
        ]

    def _exact(self, name: str, sets: Sequence[Tensor], reference: Tensor) -> MetricValue:
        """Block by block: each of the sample against its own of the reference."""
        n = min(self.n, len(reference))
        count = min(self.blocks, len(reference) // n)
        pairs = [(points[k * n : (k + 1) * n], reference[k * n : (k + 1) * n]) for points in sets for k in range(count)]
        values = [wasserstein2(x, y) for x, y in pairs]
        mean, error = mean_and_error(values)
        return MetricValue(name, mean, error, n=n, details={"blocks": values})

    @staticmethod
    def _sliced(name: str, sets: Sequence[Tensor], reference: Tensor) -> MetricValue:
        return over_sets([MetricValue(name, sliced(points, reference), n=len(points)) for points in sets])
