from __future__ import annotations

from itertools import product

import pytest
import torch

from fmbench import paths
from fmbench.paths import objectives
from fmbench.paths.objectives import QUANTITIES

PAIRS = list(product(QUANTITIES, QUANTITIES))


def inner_times(path, n, generator):
    """Away from both ends, where one quantity or another carries no information."""
    return path.t_min + 0.05 + 0.9 * (path.t_max - path.t_min) * torch.rand(n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("source", "wanted"), PAIRS)
def test_conversions_take_the_targets_into_each_other(path, generator, source, wanted):
    x0, x1 = (torch.randn(128, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    t = inner_times(path, 128, generator)
    c = path.coefficients(t, x1)
    x = c.interpolate(x0, x1)
    given = objectives.target(source, c, x0, x1)
    expected = objectives.target(wanted, c, x0, x1)
    torch.testing.assert_close(objectives.convert(given, source, wanted, c, x), expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("source", "wanted"), PAIRS)
def test_conversions_are_mutual_inverses(path, generator, source, wanted):
    value, x = (torch.randn(128, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    t = inner_times(path, 128, generator)
    c = path.coefficients(t, x)
    there = objectives.convert(value, source, wanted, c, x)
    torch.testing.assert_close(objectives.convert(there, wanted, source, c, x), value, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("source", "wanted"), PAIRS)
def test_conversions_agree_with_the_closed_form_expectations(law, path, generator, source, wanted):
    t = inner_times(path, 64, generator)
    x1 = law.sample(64, generator)
    c = path.coefficients(t, x1)
    x = c.interpolate(torch.randn(64, 3, generator=generator, dtype=torch.float64), x1)
    value = objectives.convert(law.expect(source, path, t, x), source, wanted, c, x)
    torch.testing.assert_close(value, law.expect(wanted, path, t, x), rtol=1e-7, atol=1e-7)


def test_velocity_gives_a_finite_score_where_alpha_vanishes():
    x = torch.ones(4, 2, dtype=torch.float64)
    c = paths.Linear().coefficients(0.0, x)
    score = objectives.convert(torch.full_like(x, 0.3), "velocity", "score", c, x)
    torch.testing.assert_close(score, -x)  # x_0 is N(0, I)


def test_noise_gives_a_finite_score_where_alpha_vanishes():
    x = torch.ones(4, 2, dtype=torch.float64)
    c = paths.Linear().coefficients(0.0, x)
    score = objectives.convert(0.5 * x, "noise", "score", c, x)
    torch.testing.assert_close(score, -0.5 * x)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_targets_over_their_scale_have_unit_mean_square(path, generator, quantity):
    n, rms = 200_000, 0.6
    t = inner_times(path, n, generator)
    x0, x1 = (torch.randn(n, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    c = path.coefficients(t, x1)
    value = objectives.target(quantity, c, x0, rms * x1) / objectives.scale(quantity, c, rms)
    assert value.square().mean().item() == pytest.approx(1, abs=4 * (2 / n) ** 0.5)


def test_the_velocity_of_a_gaussian_obeys_the_continuity_equation(law, path, generator):
    """d/dt of the marginal's mean and covariance are E[u] and E[u x^T] + E[x u^T], centred."""
    t = torch.tensor(0.4, dtype=torch.float64)
    h = 1e-5

    def moments(s):
        c = path.at(s)
        return c.alpha * law.mean, c.alpha**2 * law.covariance + c.sigma**2 * torch.eye(3, dtype=torch.float64)

    (mean_up, cov_up), (mean_down, cov_down) = moments(t + h), moments(t - h)
    mean, covariance = moments(t)
    # The velocity is affine in x: u = a + B (x - mean).
    points = torch.cat([mean[None], mean + torch.eye(3, dtype=torch.float64)])
    u = law.expect("velocity", path, t.expand(4), points)
    slope = (u[1:] - u[:1]).T
    scale = float(covariance.diagonal().max())
    torch.testing.assert_close(u[0], (mean_up - mean_down) / (2 * h), rtol=1e-5, atol=1e-6 * scale)
    rate = slope @ covariance
    torch.testing.assert_close(rate + rate.T, (cov_up - cov_down) / (2 * h), rtol=1e-5, atol=1e-6 * scale)
