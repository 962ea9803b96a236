from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.conditional_flow_matching import IndependentCFM, OptimalTransportCFM, SchroedingerBridgeCFM

from fmbench.errors import FmbenchError
from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.testing.oracles import GaussianLaw

RMS = 0.8


def task(network=None):
    return Task((2,), RMS, network or (lambda s: ResidualMLP(s, width=16, depth=1, time_width=8)))


def replayed(method, x1, seed):
    """The draws of a step, in the order in which the loss makes them."""
    generator = torch.Generator().manual_seed(seed)
    x0, x1 = method.pairs(Batch(x1, None, generator))
    low, high = method.interval
    t = low + (high - low) * torch.rand(len(x1), generator=generator, dtype=torch.float64)
    return x0, x1, t, torch.randn(x1.shape, generator=generator)


class TestAgainstTorchcfm:
    """With the same frozen network: velocity target, location and loss, to 1e-5."""

    @pytest.mark.parametrize("name", ["i-cfm", "ot-cfm", "sb-cfm"])
    def test_location_velocity_and_loss(self, generator, name):
        peers = pytest.importorskip("torchcfm.conditional_flow_matching")
        torch.manual_seed(0)
        if name == "i-cfm":
            method = IndependentCFM(task(), source="normal", sigma=0.1)
            peer = peers.ConditionalFlowMatcher(sigma=0.1)
        elif name == "ot-cfm":
            method = OptimalTransportCFM(task(), source="normal", sigma=0.1, solver="assignment", companions=0)
            peer = peers.ConditionalFlowMatcher(sigma=0.1)  # its pairs are replayed: they draw with replacement
        else:
            method = SchroedingerBridgeCFM(task(), source="normal", sigma=0.7, companions=0)
            peer = peers.SchrodingerBridgeConditionalFlowMatcher(sigma=0.7)
        batch = RMS * torch.randn(256, 2, generator=generator)
        x0, x1, t, z = replayed(method, batch, 5)
        x = peer.sample_xt(x0, x1, t.float(), z)
        u = peer.compute_conditional_flow(x0, x1, t.float(), x)
        spread = method.spread(t[:, None])
        out = torch.sqrt(RMS**2 + 1 + spread.d_sigma**2)
        theirs = (((method.velocity(t, x.double()) - u) / out) ** 2).mean()
        ours = method.loss(Batch(batch, None, torch.Generator().manual_seed(5)))
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


class TestInterpolation:
    def test_the_bridge_has_the_moments_of_a_brownian_bridge(self):
        method = SchroedingerBridgeCFM(task(), source="normal", sigma=0.7, companions=0)
        t = torch.linspace(0.01, 0.99, 30, dtype=torch.float64)
        spread = method.spread(t)
        torch.testing.assert_close(spread.sigma**2, 0.49 * t * (1 - t))
        slope = torch.func.grad(lambda s: method.spread(s).sigma.sum())(t)
        torch.testing.assert_close(spread.d_sigma, slope)

    def test_companions_shape_the_plan_and_are_left_out(self, generator):
        method = OptimalTransportCFM(task(), source="normal", sigma=0.0, solver="assignment", companions=3)
        x1, companions = torch.randn(16, 2, generator=generator), torch.randn(48, 2, generator=generator)
        x0, same = method.pairs(Batch(x1, None, torch.Generator().manual_seed(0), companions))
        assert torch.equal(same, x1)
        alone, _ = method.pairs(Batch(x1, None, torch.Generator().manual_seed(0)))
        assert (x0 - x1).square().sum() < (alone - x1).square().sum()

    def test_a_run_with_companions_trains_on_the_same_points(self):
        from fmbench.data.digits import digits
        from fmbench.training.batches import Batches

        plain, wide = (Batches(digits(), 100, 0, torch.device("cpu"), m) for m in (0, 2))
        for step in (0, 13, 14):
            assert torch.equal(plain[step].x, wide[step].x)
            assert plain[step].companions is None
            assert wide[step].companions.shape == (200, 1, 8, 8)


class OracleVelocity(torch.nn.Module):
    """The velocity between two independent Gaussians, unit-variance in and out: E[x1 - x0 | x_t]."""

    def __init__(self, law, rms, sigma):
        super().__init__()
        self.law, self.rms, self.sigma = law, rms, sigma

    def forward(self, t, x):
        t, x = t.double()[:, None], x.double()
        into = torch.sqrt((t * self.rms) ** 2 + (1 - t) ** 2 + self.sigma**2)
        eye = torch.eye(2).double()
        total = t[:, :, None] ** 2 * self.law.covariance + ((1 - t[:, :, None]) ** 2 + self.sigma**2) * eye
        white = torch.linalg.solve(total, (x * into - t * self.law.mean)[:, :, None])[:, :, 0]
        velocity = self.law.mean + t * white @ self.law.covariance - (1 - t) * white
        return (velocity / math.sqrt(self.rms**2 + 1)).float()


def test_samples_and_density_of_the_best_velocity(generator):
    covariance = torch.tensor([[0.5, 0.3], [0.3, 0.8]], dtype=torch.float64)
    law = GaussianLaw(torch.tensor([0.3, -0.4], dtype=torch.float64), covariance)
    parts = Task((2,), law.rms, lambda _: OracleVelocity(law, law.rms, 0.0))
    method = IndependentCFM(parts, source="normal", sigma=0.0).eval()
    x = method.sample(5000, Sampler(name="heun", steps=50), generator)
    assert ((x.mean(0) - law.mean).abs() < 4 * (covariance.diagonal() / 5000).sqrt()).all()
    outer = covariance.diagonal()[:, None] * covariance.diagonal()
    assert ((torch.cov(x.T) - covariance).abs() < 4 * ((outer + covariance**2) / 5000).sqrt()).all()
    points = law.sample(200, generator)
    got = method.log_prob(points, LikelihoodSettings(), generator)
    assert (got.value - law.log_prob(points)).abs().max() < 1e-3


class TestSources:
    @pytest.mark.parametrize("name", ["normal", "8gaussians", "checkerboard", "moons", "gaussian-2d"])
    def test_draws_have_unit_root_mean_square_and_a_density(self, name, generator):
        law = task().source(name)
        x = law.sample(20_000, (2,), generator)
        assert x.square().mean().item() == pytest.approx(1, rel=0.03)
        side = torch.linspace(-4.5, 4.5, 401, dtype=torch.float64)
        grid = torch.cartesian_prod(side, side)
        mass = law.log_prob(grid).exp().sum() * (side[1] - side[0]) ** 2
        assert mass.item() == pytest.approx(1, abs=0.02)

    def test_a_source_in_the_plane_is_refused_for_images(self, generator):
        with pytest.raises(FmbenchError, match=r"source = 'moons': its points have shape \(2,\), and the data"):
            task().source("moons").sample(3, (1, 8, 8), generator)

    def test_the_same_density_needs_no_flow(self, generator):
        """Moons to moons along the zero velocity: the log-density of a point is the source's own."""

        class Still(torch.nn.Module):
            def forward(self, _t, x):
                return 0 * x

        method = IndependentCFM(task(lambda _: Still()), source="moons", sigma=0.0).eval()
        x = task().source("moons").sample(50, (2,), generator)
        got = method.log_prob(x, LikelihoodSettings(), generator)
        torch.testing.assert_close(got.value, method.law.log_prob(x))

    def test_moons_to_eight_gaussians_as_a_run(self, tmp_path):
        from tests.helpers import carry_out, numbers, tiny_plan

        (run,) = tiny_plan("options.ot-cfm.source=moons", methods=["ot-cfm"], dataset="8gaussians")
        assert carry_out([run], tmp_path).complete
        assert math.isfinite(numbers(tmp_path, run)["nll"])
