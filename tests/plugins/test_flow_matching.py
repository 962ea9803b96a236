from __future__ import annotations

import pytest
import torch
from fmbench_plugins.flow_matching import FlowMatchingOT

from fmbench import paths
from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP


def test_the_loss_is_that_of_lipman_et_al_up_to_the_variance_of_the_velocity(generator):
    """Eq. 23 on the same draws and the same velocity, from the raw network output."""
    torch.manual_seed(0)
    rms, sigma_min = 0.6, 1e-2
    method = FlowMatchingOT(
        Task((2,), rms, lambda s: ResidualMLP(s, width=16, depth=1, time_width=8)), sigma_min=sigma_min
    )
    x1 = torch.randn(512, 2, generator=generator)
    loss = method.loss(Batch(x1, None, torch.Generator().manual_seed(3)))
    again = torch.Generator().manual_seed(3)
    x0 = torch.randn(x1.shape, generator=again)
    t = paths.CondOT().sample_time(512, again).float()[:, None]
    x = t * x1 + (1 - (1 - sigma_min) * t) * x0
    error = method.velocity(t[:, 0].double(), x) - (x1 - (1 - sigma_min) * x0)
    scale = rms**2 + (1 - sigma_min) ** 2
    assert loss.item() == pytest.approx(error.square().mean().item() / scale, rel=1e-5)


def test_the_velocity_target_is_that_of_torchcfm(generator):
    matcher = pytest.importorskip("torchcfm.conditional_flow_matching").ConditionalFlowMatcher(sigma=0.0)
    from fmbench.paths import objectives

    x0, x1 = (torch.randn(64, 3, generator=generator) for _ in range(2))
    t, x, u = matcher.sample_location_and_conditional_flow(x0, x1)
    c = paths.Linear().coefficients(t, x1)
    torch.testing.assert_close(c.interpolate(x0, x1), x)
    torch.testing.assert_close(objectives.target("velocity", c, x0, x1), u)
