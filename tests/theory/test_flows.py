"""What flow matching rests on, checked numerically."""

from __future__ import annotations

import math

import pytest
import torch

from fmbench import paths
from fmbench.paths import objectives
from fmbench.solvers.likelihood import divergence
from fmbench.solvers.ode import solve


def point_masses():
    """Data of three equally likely points, whose marginal velocity is a finite sum."""
    return torch.tensor([[1.0, -0.5], [-0.8, 0.3], [0.2, 1.1]], dtype=torch.float64)


def marginal(path, t, x):
    """Log p_t(x) and u_t(x) of point masses: Lipman et al. 2023, eqs. 6 and 8."""
    points = point_masses()
    c = path.at(torch.as_tensor(t, dtype=torch.float64))
    apart = (x[:, None] - c.alpha * points) / c.sigma  # x0 that leads to x from each point
    each = -0.5 * apart.square().sum(-1) - x.shape[1] * (torch.log(c.sigma) + 0.5 * math.log(2 * math.pi))
    log_p = torch.logsumexp(each, dim=1) - math.log(len(points))
    weights = torch.softmax(each, dim=1)
    conditional = c.d_alpha * points + c.d_sigma * apart
    return log_p, (weights[:, :, None] * conditional).sum(1)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_the_marginal_velocity_satisfies_the_continuity_equation(path, t):
    """Lipman et al. 2023, theorem 1 and eq. 26: d log p / dt + div u + u . grad log p = 0."""
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    c = path.at(torch.tensor(t).double())
    x = c.alpha * point_masses()[torch.arange(40) % 3] + c.sigma * x  # where there is mass
    time = torch.tensor(t, dtype=torch.float64)
    _, d_log_p = torch.func.jvp(lambda s: marginal(path, s, x)[0], (time,), (torch.ones_like(time),))
    score = torch.func.grad(lambda y: marginal(path, time, y)[0].sum())(x)
    velocity, trace = divergence(lambda s, y: marginal(path, s, y)[1], t, x, None)
    residual = d_log_p + trace[:, 0] + (velocity * score).sum(1)
    size = d_log_p.abs() + trace[:, 0].abs() + 1
    assert (residual.abs() / size).max() < 1e-8


def test_gradients_of_the_marginal_and_the_conditional_loss_agree(path):
    """Lipman et al. 2023, theorem 2, for a model linear in its weights: within four standard errors."""
    generator = torch.Generator().manual_seed(1)
    n = 200_000
    x1 = point_masses()[torch.randint(0, 3, (n,), generator=generator)]
    x0 = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    t = 0.3  # theorem 2 holds at each t
    c = path.coefficients(t, x1)
    x = c.interpolate(x0, x1)
    conditional = objectives.target("velocity", c, x0, x1)
    _, full = marginal(path, t, x)
    features = torch.cat([x / x.std(), torch.tanh(x[:, :1]), torch.ones(n, 1)], dim=1)
    # d/dW |W f - u|^2 = 2 (W f - u) f^T: the two gradients differ by 2 (u_conditional - u_marginal) f^T.
    apart = 2 * (conditional - full)[:, :, None] * features[:, None, :]
    error = apart.std(0) / math.sqrt(n)
    assert (error > 0).all()
    assert (apart.mean(0).abs() < 4 * error).all()
    # The losses themselves do not agree: theirs differ by a constant, the variance of the conditional velocity.
    assert (conditional - full).square().mean() > 1e-2


def test_the_marginal_flow_carries_noise_to_the_data():
    """Lipman et al. 2023, theorem 1: each point mass receives its third of the noise."""
    path = paths.CondOT(sigma_min=0.05)
    x0 = torch.randn(6000, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    end = solve(lambda t, x: marginal(path, t, x)[1], x0, (0.0, 1.0), method="rk4", rtol=1, atol=1, steps=60)
    nearest = torch.cdist(end, point_masses()).min(dim=1)
    shares = torch.bincount(nearest.indices, minlength=3) / 6000
    assert (shares - 1 / 3).abs().max() < 4 * math.sqrt(2 / 9 / 6000)
    assert nearest.values.square().mean().sqrt() == pytest.approx(0.05 * math.sqrt(2), rel=0.05)


def test_the_instantaneous_change_of_variables_is_that_of_the_finite_flow():
    """Chen et al. 2018, theorem 1: exp of the integrated divergence is the determinant of the flow map."""

    def field(t, x):
        return torch.stack([torch.sin(x[:, 1]) + t * x[:, 0], x[:, 0] * x[:, 1] - 0.5 * x[:, 1]], dim=1)

    def flow(x):
        return solve(field, x, (0.0, 1.0), method="rk4", rtol=1, atol=1, steps=200)

    def augmented(t, state):
        velocity, trace = divergence(field, t, state[:, :2], None)
        return torch.cat([velocity, trace], dim=1)

    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    start = torch.cat([x, torch.zeros(8, 1, dtype=torch.float64)], dim=1)
    integral = solve(augmented, start, (0.0, 1.0), method="rk4", rtol=1, atol=1, steps=200)[:, 2]
    jacobians = torch.stack([torch.autograd.functional.jacobian(lambda y: flow(y[None])[0], point) for point in x])
    torch.testing.assert_close(integral, torch.linalg.slogdet(jacobians).logabsdet, rtol=1e-7, atol=1e-7)
    assert integral.abs().max() > 0.3  # a flow that keeps volume would prove nothing
