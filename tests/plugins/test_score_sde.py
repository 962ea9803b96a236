from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from fmbench_plugins.ddpm import DDPM
from fmbench_plugins.score_sde import VESDE, VPSDE, ScoreFlow
from fmbench_plugins.smld import SMLD

from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP

VP = {"beta_min": 0.1, "beta_max": 20.0}


def task(rms=0.8):
    return Task((2,), rms, lambda s: ResidualMLP(s, width=16, depth=1, time_width=8))


class TestScoreFlow:
    @pytest.mark.parametrize("betas", [(0.1, 20.0), (2.0, 2.0)])
    def test_times_have_the_density_of_its_weight(self, betas):
        """Beta / sigma^2, whose integral between two times is that of the trapezoid rule."""
        method = ScoreFlow(task(), beta_min=betas[0], beta_max=betas[1])
        t = method.sample_time(200_000, torch.Generator().manual_seed(0))
        edges = torch.tensor([0.0, 0.3, 0.7, 0.9, 0.99, 0.999, 0.9999, 1 - 1e-5], dtype=torch.float64)
        mass = []
        for low, high in pairwise(edges):
            grid = torch.linspace(low, high, 20_001, dtype=torch.float64)
            c = method.path.at(grid)
            mass.append(torch.trapezoid(method.path.diffusion(grid) / c.sigma**2, grid))
        expected = torch.stack(mass) / sum(mass)
        seen = torch.stack([((t >= a) & (t < b)).double().mean() for a, b in pairwise(edges)])
        assert ((seen - expected).abs() < 5 * (expected / 200_000).sqrt() + 1e-6).all()

    def test_the_loss_is_the_likelihood_weighting_over_its_constant(self, generator):
        """Importance sampling with weight 1 and uniform t with weight beta / sigma^2 have the same expectation."""
        torch.manual_seed(0)
        method, plain = ScoreFlow(task(), **VP), VPSDE(task(), **VP)
        plain.load_state_dict(method.state_dict())
        x = 0.8 * torch.randn(200_000, 2, generator=generator)
        low = 0.9  # the weight is unbounded towards the data: compare where it is not
        total = math.log(math.expm1(10.05)) - math.log(math.expm1(method._integral(torch.tensor(1e-5).double())))

        def uniform(n, generator):
            return low * torch.rand(n, generator=generator, dtype=torch.float64)

        plain.sample_time = uniform
        plain.weight = lambda path, t: low * path.diffusion(t) / path.at(t).sigma ** 2
        weighted = plain.loss(Batch(x, None, generator)).item()
        t = method.sample_time(200_000, generator)
        method.sample_time = lambda *_: t.clamp(max=low)
        method.weight = lambda *_: total * (t < low)
        assert method.loss(Batch(x, None, generator)).item() == pytest.approx(weighted, rel=0.03)


def test_score_matching_is_noise_matching_with_the_sign_turned(generator):
    torch.manual_seed(0)
    score = VPSDE(task(), **VP)
    torch.manual_seed(0)
    noise = DDPM(task(), schedule="linear", timesteps=1000, variance="fixedsmall", **VP)
    last = noise.network.network.last
    last.weight.data.neg_()
    last.bias.data.neg_()
    x = 0.8 * torch.randn(64, 2, generator=generator)
    losses = [one.loss(Batch(x, None, torch.Generator().manual_seed(3))).item() for one in (score, noise)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("method", ["ve-sde", "smld"])
def test_the_loss_is_denoising_score_matching_with_weight_sigma_squared(generator, method):
    """Song and Ermon 2019, eqs. 5 and 6: sigma^2 |s(x + sigma z, sigma) + z / sigma|^2, on the same draws."""
    torch.manual_seed(0)
    if method == "smld":
        model = SMLD(task(), levels=10, sigma_min=0.02, sigma_max=10.0, conditioning="level")
    else:
        model = VESDE(task(), sigma_min=0.02, sigma_max=100.0)
    x1 = 0.8 * torch.randn(128, 2, generator=generator)
    loss = model.loss(Batch(x1, None, torch.Generator().manual_seed(3)))
    again = torch.Generator().manual_seed(3)
    z = torch.randn(x1.shape, generator=again)
    t = model.sample_time(128, again)
    sigma = model.path.at(t).sigma[:, None]
    score = model.score(t, x1.double() + sigma * z)
    assert loss.item() == pytest.approx((sigma * score + z).square().mean().item(), rel=1e-4)


def test_a_network_conditioned_by_scale_is_not_told_its_level(generator):
    """Song and Ermon 2020, technique 3: sigma s(x, sigma) is one function of the scaled x at every level."""
    torch.manual_seed(0)
    model = SMLD(task(), levels=10, sigma_min=0.02, sigma_max=10.0, conditioning="scale")
    x = torch.randn(5, 2, generator=generator)
    answers = []
    for t in (0.0, 1.0):
        c = model.path.coefficients(t, x)
        answers.append(c.sigma * model.score(t, x * c.rms(0.8)))
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-4, atol=1e-5)
