from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from fmbench.errors import SolverError
from fmbench.metrics import transport
from fmbench.metrics.transport import sliced, squared_wasserstein2, wasserstein2


@pytest.fixture
def points(generator):
    return [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (5, 5, 200, 200)]


def test_w2_is_that_of_the_best_of_all_permutations(points):
    x, y = points[:2]
    each = [(x - y[list(order)]).square().sum(1).mean().item() for order in itertools.permutations(range(5))]
    assert squared_wasserstein2(x, y) == pytest.approx(min(each), rel=1e-12)
    assert wasserstein2(x, y) == pytest.approx(min(each) ** 0.5, rel=1e-12)


def test_w2_of_a_shifted_sample_is_the_shift(points):
    x = points[2]
    shift = torch.tensor([3.0, -4.0], dtype=torch.float64)
    assert wasserstein2(x, x + shift) == pytest.approx(5, rel=1e-9)
    assert wasserstein2(x, x) == pytest.approx(0, abs=1e-6)


def test_w2_agrees_with_an_assignment_by_scipy(points):
    x, y = points[2:]
    costs = cdist(x, y, "sqeuclidean")
    assert squared_wasserstein2(x, y) == pytest.approx(costs[linear_sum_assignment(costs)].mean(), rel=1e-6)


def test_sets_of_other_sizes_are_equally_heavy():
    """Half of the one point's mass goes to each of two."""
    x = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    assert squared_wasserstein2(x, y) == pytest.approx(5, rel=1e-12)


def test_sliced_w2_is_the_mean_over_directions_of_sorted_differences(points):
    x, y = points[2:]
    angles = torch.arange(720, dtype=torch.float64) * (torch.pi / 720)
    directions = torch.stack([torch.cos(angles), torch.sin(angles)])
    gaps = (x @ directions).sort(dim=0).values - (y @ directions).sort(dim=0).values
    assert sliced(x, y) == pytest.approx(gaps.square().mean().item() ** 0.5, rel=0.05)  # over 200 random ones
    shift = torch.tensor([3.0, -4.0], dtype=torch.float64)
    assert sliced(x, x + shift) == pytest.approx(5 / 2**0.5, rel=0.05)
    assert sliced(x, y) == sliced(x, y)


def test_a_solver_that_stops_early_is_an_error(points, monkeypatch):
    monkeypatch.setattr(transport, "ITERATIONS", 2)
    with pytest.raises(SolverError, match=r"^W2: numItermax reached[^\n]*$"):
        wasserstein2(*points[2:])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_not_finite_are_an_error(points, value):
    bad = points[2].clone()
    bad[7, 1] = value
    with pytest.raises(SolverError, match="not finite"):
        wasserstein2(bad, points[3])
    with pytest.raises(SolverError, match="not finite"):
        wasserstein2(points[3], bad)
