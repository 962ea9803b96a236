from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.ddpm import DDPM

from fmbench import paths
from fmbench.methods.base import Task
from fmbench.testing.oracles import OracleNetwork


def oracle_ddpm(law, **options):
    options = {"schedule": "linear", "variance": "fixedsmall", "timesteps": 200, **options}
    path = paths.Cosine() if options["schedule"] == "cosine" else paths.VP()
    task = Task((3,), law.rms, lambda _: OracleNetwork(law, path, "noise", law.rms))
    return DDPM(task, beta_min=0.1, beta_max=20.0, **options).eval()


@pytest.fixture
def oracle(law):
    return oracle_ddpm(law)


def expected_bound(law, steps):
    """The bound of the optimal denoiser of a Gaussian, in closed form along the covariance's eigenvectors.

    Each KL is half the gain in signal-to-noise ratio times the mean square error of the estimate of x1, which is
    v / (1 + snr v) for an eigenvalue v.
    """
    v = torch.linalg.eigvalsh(law.covariance)
    c = paths.VP().at(torch.linspace(0, 1, steps + 1, dtype=torch.float64))
    snr = (c.alpha / c.sigma).square()
    mse = (v / (1 + snr[:-1, None] * v)).sum(1)
    middle = (0.5 * (snr[1:-1] - snr[:-2]) * mse[:-1]).sum()
    second = float(law.mean.square().sum() + v.sum())
    prior = 0.5 * (c.alpha[0] ** 2 * second + 3 * (c.sigma[0] ** 2 - 1 - torch.log(c.sigma[0] ** 2)))
    beta = c.sigma[-2] ** 2 - (c.alpha[-2] / c.alpha[-1]) ** 2 * c.sigma[-1] ** 2
    decoder = 0.5 * (mse[-1] / beta + 3 * torch.log(2 * math.pi * beta))
    return (prior + middle + decoder).item()


def test_the_bound_of_the_best_denoiser_is_its_closed_form(law, oracle, generator):
    x = law.sample(20_000, generator)
    got = oracle.bound(x, generator)
    error = got.std().item() / math.sqrt(len(x))
    assert got.mean().item() == pytest.approx(expected_bound(law, 200), abs=4 * error)


def test_it_bounds_the_negative_log_likelihood_and_tightens_with_more_steps(law):
    truth = 0.5 * torch.logdet(2 * math.pi * math.e * law.covariance).item()
    bounds = [expected_bound(law, steps) for steps in (50, 200, 1000, 5000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] > truth


def test_the_loss_is_weight_one_on_the_noise(oracle, law, generator):
    """Against the formula of the paper, written out."""
    from fmbench.methods.base import Batch

    x = law.sample(5000, generator).float()
    loss = oracle.loss(Batch(x, None, torch.Generator().manual_seed(5)))
    again = torch.Generator().manual_seed(5)
    noise = torch.randn(x.shape, generator=again)
    t = paths.VP().sample_time(5000, again)
    c = paths.VP().coefficients(t, x)
    predicted = law.expect("noise", paths.VP(), t, (c.alpha * x + c.sigma * noise).double())
    assert loss.item() == pytest.approx((predicted - noise).square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_both_variances_bound_the_likelihood_and_the_small_one_is_tighter_for_known_data(law, schedule):
    """Ho et al. 2020, section 3.2: fixedsmall is right for a single known point, fixedlarge for N(0, I)."""
    truth = 0.5 * torch.logdet(2 * math.pi * math.e * law.covariance).item()
    x = law.sample(4000, torch.Generator().manual_seed(0))
    bounds = {}
    for variance in ("fixedsmall", "fixedlarge"):
        method = oracle_ddpm(law, schedule=schedule, variance=variance, timesteps=100)
        bounds[variance] = method.bound(x, torch.Generator().manual_seed(1)).mean().item()
    assert min(bounds.values()) > truth
    assert bounds["fixedsmall"] != pytest.approx(bounds["fixedlarge"], abs=1e-3)


def test_a_kl_of_gaussians_is_that_of_torch():
    from fmbench_plugins.ddpm import gaussian_kl
    from torch.distributions import Normal, kl_divergence

    apart, first, second = torch.tensor(0.7), torch.tensor(0.5), torch.tensor(1.3)
    expected = kl_divergence(Normal(apart, first.sqrt()), Normal(0.0, second.sqrt()))
    torch.testing.assert_close(gaussian_kl(apart, first, second), expected)


def test_fixedlarge_draws_the_right_law_of_unit_data(generator):
    """For data N(0, I) the optimal reverse variance is beta, so a coarse chain of fixedlarge is exact to O(1/T)."""
    from fmbench.request.schema import Sampler
    from fmbench.testing.oracles import GaussianLaw

    law = GaussianLaw(torch.zeros(3).double(), torch.eye(3).double())
    settings = Sampler(name="ancestral", steps=50)
    errors = {}
    for variance in ("fixedsmall", "fixedlarge"):
        x = oracle_ddpm(law, variance=variance).sample(20_000, settings, generator)
        errors[variance] = (x.var().item() - 1) ** 2
    assert errors["fixedlarge"] < errors["fixedsmall"]
