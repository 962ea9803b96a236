from __future__ import annotations

import math

import pytest
import torch

from fmbench import paths
from fmbench.errors import FmbenchError


def test_derivatives_are_those_of_the_schedule(path):
    t = torch.linspace(path.t_min + 1e-3, path.t_max - 1e-3, 41, dtype=torch.float64, requires_grad=True)
    c = path.at(t)
    for value, derivative in ((c.alpha, c.d_alpha), (c.sigma, c.d_sigma)):
        if value.requires_grad:
            (expected,) = torch.autograd.grad(value.sum(), t, allow_unused=True, retain_graph=True)
        else:
            expected = torch.zeros_like(t)
        expected = torch.zeros_like(t) if expected is None else expected
        torch.testing.assert_close(derivative, expected, rtol=1e-9, atol=1e-9)


def test_noise_at_zero_and_data_at_one(path):
    c = path.at(torch.tensor([path.t_min, path.t_max], dtype=torch.float64))
    assert c.alpha[1] == pytest.approx(1, abs=1e-5)
    assert c.sigma[1] < 0.0201
    assert c.sigma[0] == pytest.approx(path.source_std, rel=1e-4)
    assert c.alpha[0] <= 1.0 if path.source_std > 1 else c.alpha[0] < 7e-3
    assert torch.isfinite(torch.stack(list(c))).all()


@pytest.mark.parametrize(
    ("path", "t", "alpha", "sigma"),
    [
        (paths.CondOT(0.01), 0.25, 0.25, 1 - 0.99 * 0.25),
        (paths.Linear(), 0.25, 0.25, 0.75),
        (paths.Trig(), 1 / 3, 0.5, math.sqrt(3) / 2),
        (paths.VP(), 0.5, math.exp(-0.5 * 2.5375), math.sqrt(1 - math.exp(-2.5375))),
        (paths.SubVP(), 0.5, math.exp(-0.5 * 2.5375), 1 - math.exp(-2.5375)),
        (paths.VE(), 0.5, 1.0, math.sqrt(0.02 * 100)),
    ],
)
def test_values_worked_out_by_hand(path, t, alpha, sigma):
    c = path.at(torch.tensor(t, dtype=torch.float64))
    assert c.alpha.item() == pytest.approx(alpha, rel=1e-12)
    assert c.sigma.item() == pytest.approx(sigma, rel=1e-12)


def test_vp_preserves_variance_and_sub_vp_stays_below(generator):
    t = paths.VP().sample_time(100, generator)
    vp, sub = paths.VP().at(t), paths.SubVP().at(t)
    torch.testing.assert_close(vp.alpha**2 + vp.sigma**2, torch.ones_like(t))
    assert (sub.sigma <= vp.sigma).all()


def test_input_has_unit_mean_square(path, generator):
    rms = 0.7
    t = path.sample_time(200_000, generator)
    x0, x1 = (torch.randn(200_000, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    c = path.coefficients(t, x1)
    scaled = c.interpolate(x0, rms * x1) / c.rms(rms)
    # Its square has mean 1 and variance 2: four standard errors.
    assert scaled.square().mean().item() == pytest.approx(1, abs=4 * math.sqrt(2 / 200_000))


def test_times_lie_in_the_range(path, generator):
    t = path.sample_time(10_000, generator)
    assert t.dtype == torch.float64
    assert path.t_min <= t.min() < 0.01
    assert 0.99 < t.max() <= path.t_max


def test_source_law(path, generator):
    x = path.source(50_000, (2,), generator)
    assert x.std().item() == pytest.approx(path.source_std, rel=0.02)
    normal = torch.distributions.Normal(torch.zeros(2, dtype=torch.float64), path.source_std)
    torch.testing.assert_close(path.source_log_prob(x), normal.log_prob(x).sum(1))


def test_coefficients_broadcast_over_images(generator):
    images = torch.randn(5, 3, 4, 4, generator=generator)
    c = paths.Linear().coefficients(torch.rand(5, generator=generator), images)
    assert c.alpha.shape == (5, 1, 1, 1)
    assert c.alpha.dtype == torch.float32
    assert paths.Linear().coefficients(0.5, images).alpha.shape == ()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: paths.CondOT(0.0), "sigma_min = 0.0: must be in (0, 1)"),
        (lambda: paths.VP(beta_min=-1), "beta_min = -1: must be > 0"),
        (lambda: paths.VP(beta_min=2, beta_max=1), "beta_max = 1: must be >= beta_min = 2"),
        (lambda: paths.VE(sigma_max=0.01), "sigma_max = 0.01: must be > sigma_min = 0.02"),
    ],
)
def test_parameters_out_of_range_are_refused(make, text):
    with pytest.raises(FmbenchError, match=text.replace("(", r"\(").replace(")", r"\)")):
        make()


class TestPeers:
    """The same schedules in flow_matching, which also has t = 1 at the data."""

    @pytest.fixture
    def t(self):
        return torch.linspace(0.01, 0.99, 50, dtype=torch.float64)

    def test_linear(self, t):
        scheduler = pytest.importorskip("flow_matching.path.scheduler").CondOTScheduler()
        self.compare(paths.Linear(), scheduler(t), t)

    def test_vp(self, t):
        scheduler = pytest.importorskip("flow_matching.path.scheduler").VPScheduler(beta_min=0.1, beta_max=20.0)
        self.compare(paths.VP(), scheduler(t), t)

    @staticmethod
    def compare(path, peer, t):
        c = path.at(t)
        for ours, theirs in (
            (c.alpha, peer.alpha_t),
            (c.sigma, peer.sigma_t),
            (c.d_alpha, peer.d_alpha_t),
            (c.d_sigma, peer.d_sigma_t),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)

    def test_cond_ot_agrees_with_torchcfm(self, generator):
        matcher = pytest.importorskip("torchcfm.conditional_flow_matching").TargetConditionalFlowMatcher(sigma=1e-2)
        x0, x1 = (torch.randn(64, 3, generator=generator, dtype=torch.float64) for _ in range(2))
        t = 0.9 * torch.rand(64, generator=generator, dtype=torch.float64)
        path = paths.CondOT(sigma_min=1e-2)
        c = path.coefficients(t, x1)
        x = c.interpolate(x0, x1)
        # Theirs draws its own noise around the mean t x1; the velocity is a function of (x, x1, t) in both.
        theirs = matcher.compute_conditional_flow(x0, x1, t, x)
        from fmbench.paths import objectives

        torch.testing.assert_close(objectives.target("velocity", c, x0, x1), theirs, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(matcher.compute_sigma_t(t), path.at(t).sigma)
