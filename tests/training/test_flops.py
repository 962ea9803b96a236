"""FLOPs: against torch's own counter, and by hand where that one is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fmbench.training.flops import FlopCounter

ROWS, WIDTHS = 16, (32, 64, 24)
FORWARD = 2 * ROWS * (32 * 64 + 64 * 24)  # a multiplication and an addition for each row and weight


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(*WIDTHS[:2]), nn.SiLU(), nn.Linear(*WIDTHS[1:]))


@pytest.fixture
def x(generator):
    return torch.randn(ROWS, WIDTHS[0], generator=generator)


def counted(work):
    with FlopCounter() as counter:
        work()
    return counter.total


def test_forward_and_backward_are_those_of_torchs_counter(network, x):
    def step():
        network(x).square().mean().backward()

    with FlopCounterMode(display=False) as theirs:
        step()
    assert counted(step) == theirs.get_total_flops() == 3 * FORWARD - 2 * ROWS * 32 * 64  # x needs no gradient


def test_convolutions_and_attention_are_counted(x, generator):
    images = torch.randn(2, 3, 8, 8, generator=generator)
    assert counted(lambda: nn.Conv2d(3, 5, 3)(images)) == 2 * 2 * 36 * 27 * 5
    q = torch.randn(2, 4, 6, 8, generator=generator)
    assert counted(lambda: nn.functional.scaled_dot_product_attention(q, q, q)) == 2 * 2 * (2 * 4) * 6 * 6 * 8


def test_a_jacobian_vector_product_is_two_forward_passes(network, x):
    assert counted(lambda: torch.func.jvp(network, (x,), (x,))) == 2 * FORWARD


def test_a_tangent_of_the_weights_is_computed_and_counts(x):
    """One product each for the value, the input's tangent and the weight's."""
    weight = torch.ones(8, WIDTHS[0])
    each = 2 * ROWS * WIDTHS[0] * 8
    assert counted(lambda: torch.func.jvp(nn.functional.linear, (x, weight), (x, weight))) == 3 * each


def test_gradients_of_an_input_are_counted(network, x):
    def penalty():
        y = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(y).sum(), y, create_graph=True)
        slope.square().mean().backward()

    assert counted(penalty) > 3 * FORWARD
