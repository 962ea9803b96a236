from __future__ import annotations

import pytest
import torch
from torch import nn

from fmbench.training.weights import FlatWeights


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.SiLU(), nn.Linear(5, 1))


def test_the_module_computes_as_before_and_follows_the_vector(module, generator):
    x = torch.randn(7, 3, generator=generator)
    before = module(x)
    weights = FlatWeights(module)
    assert torch.equal(module(x), before)
    weights.vector.data.mul_(0.0)
    assert module(x).abs().max() == 0


def test_an_optimiser_on_the_vector_does_what_one_on_the_parameters_does(module, generator):
    import copy

    other = copy.deepcopy(module)
    weights = FlatWeights(module)
    ours = torch.optim.AdamW([weights.vector], lr=0.1, weight_decay=0.1)
    theirs = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(5):
        x = torch.randn(7, 3, generator=generator)
        module(x).square().mean().backward()
        weights.gather_gradient()
        weights.clip_gradient(0.1)
        ours.step()
        theirs.zero_grad()
        other(x).square().mean().backward()
        nn.utils.clip_grad_norm_(other.parameters(), 0.1)
        theirs.step()
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_gradient_within_the_bound_is_left_alone(module, generator):
    weights = FlatWeights(module)
    weights.gradient.copy_(torch.randn(weights.gradient.shape, generator=generator))
    before = weights.gradient.clone()
    weights.clip_gradient(1e6)
    assert torch.equal(weights.gradient, before)
    weights.clip_gradient(0.5)
    assert weights.gradient.norm().item() == pytest.approx(0.5, rel=1e-4)


def test_a_parameter_that_the_loss_does_not_touch_has_no_gradient(module):
    weights = FlatWeights(module)
    weights.gradient.fill_(1.0)
    module[2].bias.sum().backward()
    weights.gather_gradient()
    assert weights._gradients[3].item() == 1.0
    assert all(view.abs().max() == 0 for view in weights._gradients[:3])


def test_frozen_parameters_stay_out(module):
    module[0].requires_grad_(False)
    weights = FlatWeights(module)
    frozen = module[0].weight.clone()
    weights.vector.data.fill_(9.0)
    assert torch.equal(module[0].weight, frozen)
    assert (module[2].weight == 9).all()


@pytest.mark.parametrize("broken", [nn.Identity(), nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1).double())])
def test_what_cannot_be_one_vector_is_refused(broken):
    with pytest.raises(ValueError, match="trainable parameters, all of one dtype"):
        FlatWeights(broken)
