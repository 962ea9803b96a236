from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.edm import EDM, Karras

from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import counted

OPTIONS = {"sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0, "p_mean": -1.2, "p_std": 1.2}


class Oracle(torch.nn.Module):
    """F = (D - c_skip x) / c_out of the best denoiser of a Gaussian, given c_noise on [0, 1] and c_in x."""

    def __init__(self, law):
        super().__init__()
        self.law = law

    def forward(self, t, x):
        sigma = 80 * torch.exp(t.double() * math.log(0.002 / 80))[:, None].expand(len(x), 1)
        data = self.law.rms
        total = torch.sqrt(sigma**2 + data**2)
        point = x.double() * total
        white = (point - self.law.mean) @ self.law.axes / (self.law.variances + sigma**2)
        denoised = self.law.mean + (white * self.law.variances) @ self.law.axes.T
        return ((denoised - data**2 / total**2 * point) / (sigma * data / total)).float()


@pytest.fixture
def oracle(law):
    return EDM(Task((3,), law.rms, lambda _: Oracle(law)), **OPTIONS).eval()


def test_the_schedule_is_that_of_the_paper():
    """Eq. 5, written out, at 18 levels; and its inverse."""
    i = torch.arange(18, dtype=torch.float64)
    expected = (80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    sigma = Karras().at(i / 17).sigma
    torch.testing.assert_close(sigma, expected)
    torch.testing.assert_close(Karras().time_of(sigma), i / 17)


def test_the_loss_is_that_of_the_paper(generator):
    """Lambda(sigma) |D(y + n; sigma) - y|^2 with lambda of Table 1, on the same draws."""
    torch.manual_seed(0)
    rms = 0.7
    method = EDM(Task((2,), rms, lambda s: ResidualMLP(s, width=16, depth=1, time_width=8)), **OPTIONS)
    y = rms * torch.randn(256, 2, generator=generator)
    loss = method.loss(Batch(y, None, torch.Generator().manual_seed(4)))
    again = torch.Generator().manual_seed(4)
    noise = torch.randn(y.shape, generator=again)
    sigma = torch.exp(-1.2 + 1.2 * torch.randn(256, generator=again, dtype=torch.float64))[:, None]
    weight = (sigma**2 + rms**2) / (sigma * rms) ** 2
    denoised = method.denoise(method.path.time_of(sigma[:, 0]), y.double() + sigma * noise)
    assert loss.item() == pytest.approx((weight * (denoised - y) ** 2).mean().item(), rel=1e-4)


def test_noise_levels_are_log_normal(oracle):
    sigma = oracle.path.at(oracle.sample_time(40_000, torch.Generator().manual_seed(0))).sigma.log()
    assert sigma.mean().item() == pytest.approx(-1.2, abs=0.03)
    assert sigma.std().item() == pytest.approx(1.2, rel=0.02)


def test_a_fresh_network_denoises_with_c_skip_alone(generator):
    """Table 1: D = c_skip x when F = 0; then the target of F has unit variance for data of variance sigma_data^2."""
    zero = Task((2,), 0.7, lambda s: ResidualMLP(s, width=8, depth=0, time_width=4))
    method = EDM(zero, **OPTIONS)
    torch.nn.init.zeros_(method.network.network.last.weight)
    torch.nn.init.zeros_(method.network.network.last.bias)
    y = 0.7 * torch.randn(50_000, 2, generator=generator)
    assert method.loss(Batch(y, None, generator)).item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("steps", [2, 18])
def test_heun_makes_two_calls_a_step_but_for_the_last(oracle, generator, steps):
    with counted(oracle) as count:
        oracle.sample(4, Sampler(name="edm-heun", steps=steps), generator)
    assert count.calls == 2 * steps - 1


def test_heun_in_18_steps_draws_the_law(oracle, law, generator):
    x = oracle.sample(4000, Sampler(name="edm-heun"), generator)
    assert ((x.mean(0) - law.mean).abs() < 4 * (law.covariance.diagonal() / 4000).sqrt()).all()
    outer = law.covariance.diagonal()[:, None] * law.covariance.diagonal()
    assert ((torch.cov(x.T) - law.covariance).abs() < 4 * ((outer + law.covariance**2) / 4000).sqrt()).all()


def test_its_likelihood_is_the_truth(oracle, law, generator):
    x = law.sample(300, generator)
    got = oracle.log_prob(x, LikelihoodSettings(), generator)
    assert (got.value - law.log_prob(x)).mean().abs() < 1e-2
