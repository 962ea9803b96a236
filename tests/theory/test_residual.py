"""What invertible residual networks rest on, checked numerically."""

from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.residual_flow import Block, LipschitzMLP, roulette_weights, series

LIPSCHITZ = 0.8


@pytest.fixture
def block():
    torch.manual_seed(0)
    block = Block(LipschitzMLP(4, 4, LIPSCHITZ), 4, 1.0)
    first, second = block.g.network.first, block.g.network.second
    second.weight.data = first.weight.data.T.clone()  # slopes then add up: far from the identity
    return block.double().eval()


@pytest.fixture
def points(generator):
    return torch.randn(6, 4, generator=generator, dtype=torch.float64)


def brute_force(block, points):
    """log |det dF/dx| from autograd's full Jacobian."""
    jacobians = [torch.autograd.functional.jacobian(lambda x: block(x[None])[0][0], point) for point in points]
    return torch.linalg.slogdet(torch.stack(jacobians)).logabsdet


def unit_vectors(points):
    n, d = points.shape
    return torch.eye(d, dtype=torch.float64)[:, None].expand(d, n, d)


def test_the_power_series_tends_to_the_log_determinant_within_its_bound(block, points):
    """Behrmann et al. 2019, eq. 4 and theorem 4: the error of n terms is at most -d (ln(1 - L) + sum L^k / k)."""
    exact = brute_force(block, points)
    _, tangent = block(points)
    for terms in (1, 4, 16, 64):
        weights = torch.ones(terms, 1, 1, dtype=torch.float64)
        each = series(tangent, unit_vectors(points), weights).sum(0).detach()  # the sum over unit vectors is the trace
        bound = -4 * (math.log(1 - LIPSCHITZ) + sum(LIPSCHITZ**k / k for k in range(1, terms + 1)))
        assert ((each - exact).abs() <= bound + 1e-9).all()
    assert (each - exact).abs().max() < 1e-6
    assert exact.abs().max() > 0.1


def test_russian_roulette_is_unbiased_where_the_cut_series_is_not(block, points):
    """Chen et al. 2019, theorem 1: within four standard errors of the brute-force determinant."""
    exact = brute_force(block, points)
    with torch.no_grad():
        _, tangent = block(points)
    n = 20_000
    weights = roulette_weights((n, len(points)), 2, 0.5, torch.Generator().manual_seed(0))
    probes = 2.0 * torch.randint(0, 2, (n, *points.shape), generator=torch.Generator().manual_seed(1)).double() - 1
    draws = series(tangent, probes, weights)
    error = draws.std(0) / math.sqrt(n)
    assert ((draws.mean(0) - exact).abs() < 4 * error).all()
    cut = series(tangent, unit_vectors(points), torch.ones(2, 1, 1, dtype=torch.float64)).sum(0)
    assert (cut - exact).abs().max() > 8 * error.max()


def test_a_contraction_beside_the_identity_is_invertible(block, points):
    """Behrmann et al. 2019, theorem 1 and algorithm 1: the fixed point exists and is found."""
    assert (block.inverse(block(points)[0].detach()) - points).abs().max() < 1e-4
    a, b = points[:, None], points[None]
    moved = (block(points)[0][:, None] - block(points)[0][None]).norm(dim=-1)
    assert (moved >= (1 - LIPSCHITZ) * (a - b).norm(dim=-1) - 1e-9).all()
