"""Energy distance and maximum mean discrepancy between generated and true points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fmbench.errors import Unavailable
from fmbench.metrics import truth
from fmbench.metrics.base import Evaluation, Metric, MetricValue, mean_and_error, over_sets
from fmbench.metrics.ustatistics import Kernel, mmd2

WIDTHS = (0.1, 0.3, 1.0, 3.0, 10.0)  # of the Gaussian kernels, in medians of the reference's distances
BLOCKS = 5  # disjoint parts of both sets, for the standard error
TABLE = 500  # rows and columns of the tables that are summed: they fit the cache
OF_MEDIAN = 2000  # points whose pairs give the median


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean, of every pair; (n, d) and (m, d) to (n, m)."""
    return torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist")  # four times faster, exact to 1e-8


def energy_kernel(x: Tensor, y: Tensor) -> Tensor:
    """-|x - y|, whose MMD^2 is the energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely and Rizzo 2013)."""
    return -distances(x, y)


def gaussian_kernel(median: float) -> Kernel:
    """The mean over widths h of exp(-|x - y|^2 / (2 h^2)), h = .1, .3, 1, 3 and 10 times a median distance."""

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        exponent = distances(x, y).square_().div_(-2 * median**2)
        total = torch.zeros_like(exponent)
        for width in WIDTHS:
            total += torch.exp(exponent / width**2)
        return total / len(WIDTHS)

    return kernel


class Discrepancy(Metric):
    """Unbiased distances to a fixed sample of the density, in raw coordinates, beside those of a second true sample.

    U-statistics over all pairs: their mean between equal laws is 0, so they may be negative and are never clipped.
    The error is the standard error of the mean over five disjoint parts of both samples; near the floor, where the
    statistic's spread falls as 1/n, it is about twice the spread of the number itself.

    Args:
        n: points of each sample, at most: the cost grows with its square.
    """

    def __init__(self, *, n: int) -> None:
        self.n = n

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """Energy distance and MMD^2, each with its floor."""
        size = min(self.n, evaluation.sampler.samples)
        if size < 2 * BLOCKS:
            raise Unavailable(f"{size} samples are too few: at least {2 * BLOCKS} are needed")
        reference = truth.reference(evaluation.dataset, size)
        generated = [sample_set.raw[:size] for sample_set in evaluation.samples]
        true = [truth.second(evaluation.dataset, size)]
        median = float(torch.nn.functional.pdist(reference[:OF_MEDIAN]).median())
        values = []
        for name, kernel in {"energy-distance": energy_kernel, "mmd2": gaussian_kernel(median)}.items():
            evaluation.progress.stage(name, len(generated) + 1)
            values += [_value(name, kernel, generated, reference), _value(f"{name}-floor", kernel, true, reference)]
        return values


def _value(name: str, kernel: Kernel, sets: Sequence[Tensor], reference: Tensor) -> MetricValue:
    each = []
    for sample_set in sets:
        parts = [mmd2(kernel, sample_set[k::BLOCKS], reference[k::BLOCKS], TABLE) for k in range(BLOCKS)]
        _, error = mean_and_error(parts)
        each.append(MetricValue(name, mmd2(kernel, sample_set, reference, TABLE), error, n=len(sample_set)))
    return over_sets(each)
