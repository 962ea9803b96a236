"""With the same frozen network: our likelihood against flow_matching's, our velocity against torchcfm's."""

from __future__ import annotations

import pytest
import torch
from fmbench_plugins.conditional_flow_matching import IndependentCFM
from fmbench_plugins.flow_matching import FlowMatchingOT
from fmbench_plugins.score_sde import VPSDE

from fmbench import paths
from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.solvers.likelihood import LikelihoodSettings


def method_of(kind, **options):
    """A network briefly trained on a ring, so that its field is not close to zero."""
    torch.manual_seed(0)
    task = Task((2,), 0.7, lambda s: ResidualMLP(s, width=32, depth=2, time_width=16))
    method = kind(task, **options)
    optimiser = torch.optim.Adam(method.parameters(), 3e-3)
    for step in range(150):
        generator = torch.Generator().manual_seed(step)
        angle = 6.2832 * torch.rand(128, generator=generator)
        x = torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * torch.randn(128, 2, generator=generator)
        optimiser.zero_grad()
        method.loss(Batch(x, None, generator)).backward()
        optimiser.step()
    return method.eval()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (FlowMatchingOT, {"sigma_min": 1e-4}),
        (IndependentCFM, {"source": "normal", "sigma": 0.0}),
        (VPSDE, {"beta_min": 0.1, "beta_max": 20.0}),
    ],
)
def test_the_likelihood_is_that_of_flow_matching(generator, kind, options):
    """Of the same velocity, between the same times, to 1e-3 nats."""
    peers = pytest.importorskip("flow_matching.solver")
    wrapper = pytest.importorskip("flow_matching.utils").ModelWrapper
    method = method_of(kind, **options)
    low, high = method.interval

    class Peer(wrapper):
        def forward(self, x, t, **_):
            """Its interval is [0, 1], and its first step may look outside."""
            span = high - low
            return span * method.velocity(min(max(low + span * float(t), low), high), x)

    x = 0.7 * torch.randn(100, 2, generator=generator, dtype=torch.float64)
    _, theirs = peers.ODESolver(Peer(method)).compute_likelihood(
        x.clone(),
        method.source_log_prob,
        step_size=None,
        method="dopri5",
        rtol=1e-7,  # at 1e-5 either solve errs by up to 0.03 nats on single points, 0.002 on average
        atol=1e-7,
        time_grid=torch.tensor([1.0, 0.0], dtype=torch.float64),
        exact_divergence=True,
    )
    ours = method.log_prob(x, LikelihoodSettings(rtol=1e-7, atol=1e-7), generator).value
    assert (ours - theirs.detach()).abs().max() < 1e-3
    assert ours.std() > 0.1


def test_velocity_location_and_loss_are_those_of_torchcfm(generator):
    """Lipman's conditional path with the same sigma_min, the same draws and the same network, to 1e-5."""
    matcher = pytest.importorskip("torchcfm.conditional_flow_matching").TargetConditionalFlowMatcher(sigma=1e-2)
    method = method_of(FlowMatchingOT, sigma_min=1e-2)
    x1 = torch.randn(256, 2, generator=generator)
    draws = torch.Generator().manual_seed(9)
    x0 = torch.randn(x1.shape, generator=draws)
    t = 0.95 * method.path.sample_time(256, draws)  # theirs divides by 1 - (1 - sigma) t in float32
    c = method.path.coefficients(t, x1)
    x = matcher.sample_xt(x0, x1, t.float(), x0)
    torch.testing.assert_close(c.interpolate(x0, x1), x, rtol=1e-5, atol=1e-5)
    u = matcher.compute_conditional_flow(x0, x1, t.float(), x)
    theirs = (method.velocity(t, x) - u).square().mean() / (0.7**2 + 0.99**2)
    method.sample_time = lambda *_: t
    method.pairs = lambda _: (x0, x1)
    assert method.loss(Batch(x1, None, draws)).item() == pytest.approx(theirs.item(), rel=1e-5)


def test_the_marginals_of_the_trained_flow_are_normalised(generator):
    """The likelihood integrates to one over the plane, whoever computes it."""
    method = method_of(FlowMatchingOT, sigma_min=1e-4)
    side = torch.linspace(-4, 4, 101, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    mass = method.log_prob(grid, LikelihoodSettings(), generator).value.exp().sum() * (side[1] - side[0]) ** 2
    assert mass.item() == pytest.approx(1, abs=0.01)
    assert isinstance(method.path, paths.CondOT)
