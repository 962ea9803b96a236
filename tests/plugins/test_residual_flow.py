from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.residual_flow import (
    InvertibleResNet,
    Tangent,
    roulette_weights,
    series,
)

from fmbench.methods.base import Batch, Preparation
from fmbench.solvers.likelihood import LikelihoodSettings, rademacher
from tests.plugins.small_residual_flow import build, to_base

EXACT, PROBED = LikelihoodSettings(exact_up_to=100), LikelihoodSettings(exact_up_to=0, probes=4)


def strong_tangent(n=1, d=3):
    """A network whose Jacobian is large, so that a cut series is visibly wrong: J = 0.8 times a reflection's mean."""
    torch.manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64))[0]
    matrix = rotation @ torch.diag(torch.linspace(-0.85, -0.6, d, dtype=torch.float64)) @ rotation.T
    return Tangent(torch.eye(d, dtype=torch.float64), torch.ones(n, d, dtype=torch.float64), matrix)


def tangent_at(g, x):
    before, after = g.matrices()
    slopes = []
    g(x, (before, after), slopes)
    return Tangent(before, slopes[0], after)


def cut(tangent, terms):
    """The first terms of the power series with exact traces, as the i-ResNet computes them."""
    return build((2,), InvertibleResNet, terms=terms).exact_log_det(tangent.dense())


def reference(method, x):
    """The log-density by autograd's Jacobian of the whole map."""
    values = []
    for point in x:
        jacobian = torch.autograd.functional.jacobian(lambda p: to_base(method, p[None])[0], point)
        z = to_base(method, point[None])
        base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        values.append(base + torch.linalg.slogdet(jacobian.reshape(z.shape[1], -1))[1])
    return torch.stack(values).detach()


class TestTangent:
    def test_its_products_are_those_of_autograds_jacobian(self, generator):
        g = build((3,), blocks=1).blocks[0].g.network
        x = torch.randn(5, 3, generator=generator, dtype=torch.float64)
        tangent, matrices = tangent_at(g, x), g.matrices()
        wanted = torch.stack([torch.autograd.functional.jacobian(lambda p: g(p[None], matrices)[0], p) for p in x])
        v = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
        assert torch.allclose(tangent.dense(), wanted, atol=1e-12)
        assert torch.allclose(tangent.push(v), torch.einsum("nij,pnj->pni", wanted, v), atol=1e-12)
        assert torch.allclose(tangent.pull(v), torch.einsum("nji,pnj->pni", wanted, v), atol=1e-12)


class TestLogDensity:
    @pytest.mark.parametrize(("shape", "bounds"), [((2,), None), ((1, 2, 3), (-1.0, 1.0))])
    @pytest.mark.parametrize("training", [True, False])
    def test_the_dense_path_is_autograds_jacobian(self, shape, bounds, training, generator):
        method = build(shape, bounds=bounds).train(training)
        x = 1.8 * torch.rand(4, *shape, generator=generator, dtype=torch.float64) - 0.9
        got = method.log_prob(x, EXACT, generator)
        assert got.error is None
        assert torch.allclose(got.value, reference(method, x), atol=1e-8)

    def test_the_estimate_agrees_within_its_error(self, generator):
        method = build((1, 2, 3)).eval().requires_grad_(False)
        x = torch.randn(200, 1, 2, 3, generator=generator, dtype=torch.float64)
        exact = method.log_prob(x, EXACT, generator).value
        got = method.log_prob(x, LikelihoodSettings(exact_up_to=0, probes=64), generator)
        z = (got.value - exact) / got.error
        assert z.square().mean().sqrt().item() == pytest.approx(1, abs=0.2)
        assert abs(z.mean().item()) < 4 / math.sqrt(200)

    def test_it_integrates_to_one(self):
        method = build((2,)).eval()
        axis = torch.linspace(-12, 12, 401, dtype=torch.float64)
        grid = torch.cartesian_prod(axis, axis)
        density = method.log_prob(grid, EXACT, torch.Generator()).value.exp()
        assert density.sum().item() * (24 / 400) ** 2 == pytest.approx(1, abs=2e-3)

    def test_the_loss_is_its_mean_a_dimension(self, generator):
        method = build((3,), terms=200, coeff=0.8).eval()
        x = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
        exact = -method.log_prob(x, EXACT, generator).value.mean() / 3
        assert method.loss(Batch(x, None, generator)).item() == pytest.approx(exact.item(), abs=0.01)


class TestSeries:
    def test_roulette_weights_are_one_over_the_chance_of_getting_there(self, generator):
        weights = roulette_weights((1, 200_000), 2, 0.4, generator)[:, 0]
        for k, row in enumerate(weights[:7], start=1):
            chance = 0.6 ** max(0, k - 2)
            assert row.max().item() == pytest.approx(1 / chance)
            reached = (row > 0).double().mean().item()
            assert reached == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / 200_000) + 1e-12)

    def test_more_terms_are_certain_at_evaluation(self, generator):
        method = build((2,))
        certain = [
            int((method.train(mode).weights((1, 5000), generator) == 1).all(dim=2).sum()) for mode in (True, False)
        ]
        assert certain == [3, 20]

    def test_roulette_is_unbiased_where_the_cut_series_is_not(self, generator):
        n = 100_000
        tangent = strong_tangent()
        truth = torch.linalg.slogdet(torch.eye(3) + tangent.dense()[0])[1].item()
        probes = rademacher(n, torch.zeros(1, 3, dtype=torch.float64), generator)
        exact = 4  # with so strong a J, fewer leave the estimate without a variance
        each = series(tangent, probes, roulette_weights((n, 1), exact, 0.2, generator))[:, 0]
        short = series(tangent, probes, torch.ones(exact, 1, 1))[:, 0]
        assert abs(each.mean().item() - truth) < 4 * each.std().item() / math.sqrt(n)
        assert short.mean().item() - truth > 20 * short.std().item() / math.sqrt(n)
        assert short.mean().item() == pytest.approx(cut(tangent, exact).item(), abs=0.02)

    def test_its_gradient_is_that_of_the_log_determinant(self, generator):
        """In expectation; for every parameter of g and for its input."""
        draws = 20_000
        g = build((3,), blocks=1, coeff=0.7).blocks[0].g.network.eval()
        point = torch.tensor([[0.3, -0.8, 0.5]], dtype=torch.float64, requires_grad=True)
        wanted_of = [point, *g.parameters()]
        tangent = tangent_at(g, point)
        truth = torch.linalg.slogdet(torch.eye(3, dtype=torch.float64) + tangent.dense()[0])[1]
        exact = torch.autograd.grad(truth, wanted_of, retain_graph=True, allow_unused=True)
        groups = []
        for _ in range(20):
            probes = rademacher(draws // 20, point, generator)
            value = series(tangent, probes, roulette_weights((draws // 20, 1), 2, 0.5, generator)).mean()
            groups.append(torch.autograd.grad(value, wanted_of, retain_graph=True, allow_unused=True))
        flat = torch.stack([torch.cat([part.flatten() for part in group if part is not None]) for group in groups])
        exact = torch.cat([part.flatten() for part in exact if part is not None])
        z = (flat.mean(dim=0) - exact) / (flat.std(dim=0) / math.sqrt(20) + 1e-12)
        assert exact.norm() > 0.1
        assert (flat.mean(dim=0) - exact).norm() < 0.05 * exact.norm()
        assert z.abs().median() < 1.5

    def test_the_cut_series_has_the_gradient_of_its_own_value(self, generator):
        g = build((3,), blocks=1, coeff=0.9).blocks[0].g.network.eval()
        x = torch.randn(1, 3, generator=generator, dtype=torch.float64)
        tangent = tangent_at(g, x)
        signs = torch.tensor([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], dtype=torch.float64)
        # Over all eight sign vectors the Hutchinson estimate is the trace itself.
        got = series(tangent, signs[:, None], torch.ones(3, 1, 1, dtype=torch.float64)).mean()
        wanted = cut(tangent, 3).sum()
        assert got.item() == pytest.approx(wanted.item(), abs=1e-10)
        a, b = (torch.autograd.grad(v, g.first.weight, retain_graph=True)[0] for v in (got, wanted))
        assert torch.allclose(a, b, atol=1e-10)

    def test_the_bias_of_the_i_resnet_shrinks_with_its_terms(self, generator):
        x = torch.randn(50, 2, generator=generator, dtype=torch.float64)
        truth = reference(build((2,), InvertibleResNet).eval(), x)  # the terms are no part of the weights
        gaps = []
        for terms in (1, 2, 4, 8, 200):
            method = build((2,), InvertibleResNet, terms=terms).eval()
            gaps.append((method.log_prob(x, EXACT, generator).value - truth).abs().mean().item())
        assert gaps == sorted(gaps, reverse=True)
        assert gaps[0] > 1e-2
        assert gaps[-1] < 1e-8


class TestPreparation:
    def prepared(self):
        method = build((3,), InvertibleResNet)
        x = 3 + 2 * torch.randn(500, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        method.prepare(Preparation(x, torch.Generator().manual_seed(1), 500))
        return method, x

    def test_the_base_is_standardised(self):
        method, x = self.prepared()
        z = to_base(method, x)
        assert z.mean(dim=0).abs().max().item() < 1e-9
        assert torch.allclose(z.std(dim=0), torch.ones(3, dtype=torch.float64))

    def test_it_is_a_function_of_the_preparation_alone(self):
        method, x = self.prepared()
        first = {key: value.clone() for key, value in method.state_dict().items()}
        method.prepare(Preparation(x, torch.Generator().manual_seed(1), 500))
        assert all(torch.equal(first[key], value) for key, value in method.state_dict().items())


def test_everything_is_in_the_state(generator):
    method, other = build((2,)), build((2,))
    for part in (*other.parameters(), *other.buffers()):
        torch.nn.init.zeros_(part)
    other.load_state_dict(method.state_dict())
    batch = [Batch(torch.ones(4, 2), None, torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(method.loss(batch[0]), other.loss(batch[1]))
