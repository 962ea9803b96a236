from __future__ import annotations

import pytest
import torch

from fmbench.data import planar

SETS = {
    "8gaussians": (planar.eight_gaussians, 6.5),
    "checkerboard": (planar.checkerboard, 4.0),
    "moons": (planar.moons, 3.0),
    "gaussian-2d": (planar.gaussian_2d, 9.0),
}


@pytest.fixture(params=SETS)
def case(request):
    make, limit = SETS[request.param]
    return make(), limit


def grid_of(limit, n=240):
    """Cell centres of a square grid, and the area of a cell."""
    edges = torch.linspace(-limit, limit, n + 1, dtype=torch.float64)
    centres = (edges[1:] + edges[:-1]) / 2
    x, y = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x.ravel(), y.ravel()], dim=1), float(edges[1] - edges[0]) ** 2


def test_densities_integrate_to_one_and_their_entropy_is_the_stated_one(case):
    dataset, limit = case
    points, area = grid_of(limit)
    log_p = dataset.density.log_prob(points)
    p = log_p.exp()
    assert (p.sum() * area).item() == pytest.approx(1, abs=1e-6)
    assert (-(p * log_p).nan_to_num().sum() * area).item() == pytest.approx(dataset.density.entropy, abs=1e-6)


def test_samples_follow_the_density(case):
    """The mean of -log p over samples is the entropy, and counts in big cells are the integrals of p."""
    dataset, limit = case
    density = dataset.density
    x = torch.cat([dataset.train, dataset.test])
    log_p = density.log_prob(x)
    assert torch.isfinite(log_p).all()
    assert -log_p.mean().item() == pytest.approx(density.entropy, abs=4 * log_p.std().item() / len(x) ** 0.5 + 1e-9)
    points, area = grid_of(limit)

    def cell(z):
        return ((z + limit) / (2 * limit) * 8).long().clamp(0, 7) @ torch.tensor([8, 1])

    expected = torch.zeros(64, dtype=torch.float64).index_add_(0, cell(points), density.log_prob(points).exp() * area)
    counts = torch.bincount(cell(x), minlength=64) / len(x)
    # A board's border cells touch the big cells' borders: a midpoint grid has no point on them.
    assert ((counts - expected).abs() < 5 * (expected * (1 - expected) / len(x)).sqrt() + 1e-6).all()


def test_model_space_is_standardised_and_the_transform_inverts(case):
    dataset, _ = case
    x = dataset.transform.encode(dataset.train, torch.Generator())
    assert x.mean(0).abs().max() < 1e-9
    assert dataset.rms() == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(dataset.transform.decode(x), dataset.train)
    slope = (x[1] - x[0]) / (dataset.train[1] - dataset.train[0])
    assert dataset.transform.log_jacobian(2) == pytest.approx(slope.abs().log().sum().item(), rel=1e-6)


def test_the_data_are_one_fixed_draw(case):
    dataset, _ = case
    again = SETS[dataset.name][0]()
    assert dataset.digest() == again.digest()
    assert (len(dataset.train), len(dataset.test)) == (planar.TRAIN, planar.TEST)
