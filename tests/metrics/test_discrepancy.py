from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

from fmbench.metrics.discrepancy import WIDTHS, energy_kernel, gaussian_kernel
from fmbench.metrics.ustatistics import mean_between, mean_within, mmd2


@pytest.fixture
def points(generator):
    return [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (60, 50)]


def test_energy_distance_is_that_of_loops(generator):
    x, y = (torch.randn(n, 1, generator=generator, dtype=torch.float64) for n in (9, 7))
    between = np.mean([abs(a - b) for a, b in itertools.product(x.ravel().tolist(), y.ravel().tolist())])
    within = [np.mean([abs(a - b) for a, b in itertools.permutations(z.ravel().tolist(), 2)]) for z in (x, y)]
    assert mmd2(energy_kernel, x, y) == pytest.approx(2 * between - sum(within), rel=1e-12)


def test_energy_distance_agrees_with_scipy_but_for_its_diagonal(generator):
    """SciPy's is sqrt(2) the distance of the distribution functions, a V-statistic: the diagonal's zeros count."""
    x, y = (torch.randn(n, 1, generator=generator, dtype=torch.float64) for n in (90, 70))
    statistic = -2 * mean_between(energy_kernel, x, y, 32)
    statistic += sum(mean_within(energy_kernel, z, 32) * (len(z) - 1) / len(z) for z in (x, y))
    assert statistic == pytest.approx(energy_distance(x.ravel(), y.ravel()) ** 2, rel=1e-6)


def test_mmd2_agrees_with_a_table_by_scipy(points):
    x, y = points

    def table(a, b):
        return np.mean([np.exp(-cdist(a, b, "sqeuclidean") / (2 * (h * 1.7) ** 2)) for h in WIDTHS], axis=0)

    n, m = len(x), len(y)
    within = [(table(z, z).sum() - k) / (k * (k - 1)) for z, k in ((x, n), (y, m))]
    expected = sum(within) - 2 * table(x, y).mean()
    assert mmd2(gaussian_kernel(1.7), x, y, 16) == pytest.approx(expected, rel=1e-6)


def test_mmd2_of_gaussians_is_the_closed_form(generator):
    """E exp(-|X - Y|^2 / 2 h^2) of X - Y normal with mean m and variance v a coordinate: h^2 / (h^2 + v) exp(...)."""
    shift, n, blocks = 1.5, 400, 20
    median = 1.2

    def expected(mean, variance):
        squares = [(h * median) ** 2 for h in WIDTHS]
        return sum(s / (s + variance) * math.exp(-(mean**2) / 2 / (s + variance)) for s in squares) / len(WIDTHS)

    truth = expected(0, 2) + expected(0, 2 * 0.25) - 2 * expected(shift, 1.25)
    each = []
    for _ in range(blocks):
        x, y = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
        each.append(mmd2(gaussian_kernel(median), x, 0.5 * y + torch.tensor([shift, 0.0]), 128))
    assert np.mean(each) == pytest.approx(truth, abs=4 * np.std(each, ddof=1) / blocks**0.5)
    assert np.std(each) < 0.1 * truth
