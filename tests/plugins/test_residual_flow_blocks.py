"""The blocks of a residual flow: what bounds their slope, and how they are inverted."""

from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins import residual_flow
from fmbench_plugins.residual_flow import Block, LipschitzMLP, SpectralLinear

from fmbench.methods.base import Batch
from fmbench.request.schema import Sampler
from fmbench.solvers.nfe import counted
from tests.plugins.small_residual_flow import build, to_base

NATIVE = Sampler(name="inverse")


class TestLipschitz:
    def test_every_block_contracts(self, generator):
        method = build((3,)).eval()
        with torch.no_grad():
            for parameter in method.parameters():
                parameter.mul_(3)  # matrices far above the bound
        for block in method.blocks:
            g = block.g.network
            matrices = g.matrices()
            bound = math.prod(torch.linalg.matrix_norm(m, 2).item() for m in matrices) * 1.1
            assert bound <= 0.95 + 1e-9
            a, b = torch.randn(2, 5000, 3, generator=generator, dtype=torch.float64)
            ratio = (g(a, matrices) - g(b, matrices)).norm(dim=1) / (a - b).norm(dim=1)
            assert ratio.max().item() < 0.95

    def test_the_slope_of_lipswish_is_at_most_one(self):
        g = LipschitzMLP(1, 1, 0.9)
        x = torch.linspace(-20, 20, 4001)[:, None]
        slopes = []
        g(x, [torch.ones(1, 1), torch.ones(1, 1)], slopes)
        assert 1.09 < slopes[0].max().item() < 1.1

    def test_power_iteration_finds_the_norm_and_keeps_small_matrices(self):
        torch.manual_seed(0)
        layer = SpectralLinear(5, 7, 0.9)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(7, 5))
        layer.advance(200)
        assert torch.linalg.matrix_norm(layer.matrix(), 2).item() == pytest.approx(0.9, rel=1e-5)
        with torch.no_grad():
            layer.weight.mul_(0.1)
        assert torch.equal(layer.matrix(), layer.weight)

    def test_the_bound_holds_in_evaluation_whatever_the_vector_is(self):
        layer = SpectralLinear(5, 7, 0.9).eval()
        with torch.no_grad():
            layer.weight.copy_(torch.randn(7, 5))
            layer.right.copy_(torch.linalg.svd(layer.weight)[2][-1])  # the direction of the smallest stretch
        assert torch.linalg.matrix_norm(layer.matrix(), 2).item() == pytest.approx(0.9, rel=1e-5)

    def test_power_iteration_moves_with_a_training_step_alone(self, generator):
        method = build((2,))
        batch = Batch(torch.randn(8, 2, generator=generator), None, generator)
        layer = method.blocks[0].g.network.second
        with torch.no_grad():
            layer.weight.add_(torch.randn(2, 16, generator=generator))
        start = layer.right.clone()
        loss = method.loss(batch)
        assert torch.equal(layer.right, start)
        loss.backward()
        assert torch.equal(layer.right, start)
        method.before_step()
        assert not torch.equal(layer.right, start)


class TestInverse:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_it_undoes_the_flow(self, dtype, generator):
        method = build((1, 2, 3), bounds=(-1.0, 1.0), coeff=0.97).to(dtype).eval().requires_grad_(False)
        z = torch.randn(200, 6, generator=generator, dtype=torch.float64)
        x = method.inverse(z)
        assert x.dtype == torch.float64
        y = method.logit.forward(x)[0].to(dtype).flatten(1)
        for block in method.blocks:
            y, _ = block(y)
        assert (method.last(y) - z).abs().max().item() < 1e-4

    def test_an_evaluation_is_a_pass_through_all_blocks(self, generator):
        method = build((2,)).eval()
        with counted(method) as count:
            to_base(method, torch.randn(9, 2, generator=generator, dtype=torch.float64))
        assert (count.calls, count.rows) == (pytest.approx(1), pytest.approx(9))

    def test_the_fixed_point_is_counted_as_it_happens(self, monkeypatch, generator):
        method = build((2,)).eval().requires_grad_(False)
        with counted(method) as count:
            method.sample(50, NATIVE, generator)
        assert count.calls > 5
        assert count.rows < 50 * count.calls  # points at rest are left out
        monkeypatch.setattr(residual_flow, "INVERSE_ITERATIONS", 4)
        with counted(method) as count:
            method.sample(50, NATIVE, generator)
        assert count.calls == pytest.approx(4)

    def test_a_block_that_adds_a_constant_subtracts_it(self, generator):
        block = Block(LipschitzMLP(2, 2, 0.9), 2, 1.0).double().eval().requires_grad_(False)
        block.g.network.second.weight.zero_()  # g is then its last bias
        y = torch.randn(5, 2, generator=generator, dtype=torch.float64)
        shift = block(torch.zeros(1, 2, dtype=torch.float64))[0]
        assert torch.allclose(block.inverse(y), y - shift, atol=1e-9)

    def test_draws_depend_on_the_generator_alone(self):
        method = build((2,)).eval()
        a, b = (method.sample(5, NATIVE, torch.Generator().manual_seed(1)) for _ in range(2))
        assert torch.equal(a, b)
        assert not a.requires_grad
