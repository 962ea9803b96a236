"""What diffusion models rest on, checked numerically."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from fmbench import paths
from fmbench.request.schema import Sampler
from fmbench.solvers.ode import solve
from fmbench.solvers.sde import euler_maruyama
from fmbench.testing.oracles import oracle_method
from tests.conftest import PATHS

DIFFUSIONS = ["vp", "sub-vp", "ve", "cosine", "karras"]


def forward_drift(path, t):
    """f of the forward SDE dx = f x ds + g dw, s = 1 - t: d log alpha / ds."""
    c = path.at(t)
    return -c.d_alpha / c.alpha


@pytest.mark.parametrize("name", DIFFUSIONS)
def test_moments_of_the_forward_sde_are_the_path(name):
    """Dm/ds = f m and dV/ds = 2 f V + g^2, from a data point: Song et al. 2021, appendix B and eq. 29."""
    path = PATHS[name]
    first, last = torch.tensor(path.t_max).double(), 0.3

    def field(t, state):
        time = torch.tensor(t, dtype=torch.float64)
        f, squared = forward_drift(path, time), path.diffusion(time)
        return -torch.stack([f * state[:, 0], 2 * f * state[:, 1] + squared], dim=1)  # dt = -ds

    start = torch.stack([path.at(first).alpha, path.at(first).sigma ** 2])[None]
    end = solve(field, start, (float(first), last), method="dopri5", rtol=1e-9, atol=1e-9)
    c = path.at(torch.tensor(last).double())
    torch.testing.assert_close(end[0], torch.stack([c.alpha, c.sigma**2]), rtol=1e-6, atol=1e-7)


def test_the_vp_path_with_constant_beta_is_the_ornstein_uhlenbeck_process(generator):
    """x_s | x ~ N(x exp(-b s / 2), 1 - exp(-b s)): Uhlenbeck and Ornstein 1930; simulated, within four errors."""
    beta, s, steps, n = 3.0, 0.4, 200, 20_000
    path = paths.VP(beta, beta)
    c = path.at(torch.tensor(1 - s).double())
    assert c.alpha.item() == pytest.approx(math.exp(-beta * s / 2))
    assert c.sigma.item() ** 2 == pytest.approx(1 - math.exp(-beta * s))
    x, h = torch.full((n,), 2.0, dtype=torch.float64), s / steps
    for _ in range(steps):
        x = x * math.exp(-beta * h / 2) + math.sqrt(1 - math.exp(-beta * h)) * torch.randn(
            n, generator=generator, dtype=torch.float64
        )
    assert x.mean().item() == pytest.approx(2 * c.alpha.item(), abs=4 * c.sigma.item() / math.sqrt(n))
    assert x.var().item() == pytest.approx(c.sigma.item() ** 2, rel=4 * math.sqrt(2 / n))


def test_ve_explodes_and_vp_preserves_variance():
    """Song et al. 2021, section 3.4: for data of unit variance, along the whole path."""
    t = torch.linspace(0, 1 - 1e-5, 101, dtype=torch.float64)
    variance = {name: PATHS[name].at(t).rms(1.0) ** 2 for name in ("vp", "sub-vp", "ve")}
    torch.testing.assert_close(variance["vp"], torch.ones_like(t))
    assert (variance["sub-vp"] <= variance["vp"] + 1e-12).all()  # their eq. 12: bounded by VP's
    assert (variance["ve"].diff() < 0).all()
    assert variance["ve"][0] > 9000


def test_ddpm_converges_to_the_vp_sde():
    """Song et al. 2021, eqs. 10 and 11: the product of 1 - beta_i tends to exp(-T) at first order in 1/N."""
    path = paths.VP()
    exact = path.at(torch.zeros(1).double()).alpha.item() ** 2
    errors = []
    for n in (500, 1000, 2000):
        s = torch.arange(1, n + 1, dtype=torch.float64) / n
        betas = (path.beta_min + s * (path.beta_max - path.beta_min)) / n
        errors.append(abs(math.log(torch.prod(1 - betas).item()) - math.log(exact)))
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.1)


def test_smld_converges_to_the_ve_sde():
    """Song et al. 2021, eqs. 8 and 9: N times the added variance tends to d sigma^2 / ds = g^2."""
    from fmbench_plugins.smld import Ladder

    errors = []
    for n in (101, 201, 401):
        ladder = Ladder(0.02, 10.0, count=n)
        t = ladder.levels(n)
        variance = ladder.at(t).sigma ** 2
        middle = (t[1:] + t[:-1]) / 2
        rate = (variance[:-1] - variance[1:]) * (n - 1)
        errors.append((rate / paths.VE(0.02, 10.0).diffusion(middle) - 1).abs().max().item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)  # midpoints: second order
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("name", ["vp", "sub-vp", "ve", "cond-ot", "trig"])
def test_the_ode_and_the_reverse_sde_share_marginals(law, generator, name):
    """Song et al. 2021, section 4.3 (Albergo et al. 2023, theorem 2.8, for alpha(0) = 0): half-way through."""
    path, n, steps, stop = PATHS[name], 4000, 500, 0.55
    method = oracle_method(law, path, "velocity" if name in {"cond-ot", "trig"} else "noise")
    x0 = method.source(n, generator)
    with torch.no_grad():
        along = solve(method.velocity, x0, (path.t_min, stop), method="rk4", rtol=1, atol=1, steps=60)
        x = x0
        times = torch.linspace(path.t_min, stop, steps + 1, dtype=torch.float64)
        for t, s in pairwise(times):
            x = euler_maruyama(method, x, t, s, torch.randn(n, 3, generator=generator, dtype=torch.float64))
    c = path.at(torch.tensor(stop).double())
    covariance = c.alpha**2 * law.covariance + c.sigma**2 * torch.eye(3)
    spread = covariance.diagonal()
    for got in (along, x):
        assert ((got.mean(0) - c.alpha * law.mean).abs() < 4 * (spread / n).sqrt()).all()
        tolerance = 4 * ((spread[:, None] * spread + covariance**2) / n).sqrt()
        assert ((torch.cov(got.T) - covariance).abs() < tolerance).all()
    assert (along - x).abs().mean() > 0.1 * spread.mean().sqrt()  # the same law, other paths


def test_fewer_steps_of_the_sampler_do_not_change_what_it_converges_to(law):
    """DDIM and DDPM share the training objective and the limit: Song, Meng and Ermon 2021, section 3."""
    method = oracle_method(law, paths.VP(), "noise")
    for name in ("ddim", "ancestral"):
        errors = []
        for steps in (20, 320):
            x = method.sample(6000, Sampler(name=name, steps=steps), torch.Generator().manual_seed(0))
            errors.append((torch.cov(x.T) - law.covariance).abs().max().item())
        assert errors[1] < errors[0]
        assert errors[1] < 4 * math.sqrt(2 / 6000) * law.covariance.max().item()
