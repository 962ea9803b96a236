from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.cnf import ANODE, CNF, random_grid
from torch import nn

from fmbench.methods.base import Batch, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.training.weights import FlatWeights
from tests.helpers import SAMPLERS

SOLVE = {"solver": "dopri5", "steps": 1, "tol": 1e-7, "exact_up_to": 3, "gradient": "backprop"}
TIGHT = {**SOLVE, "kinetic": 0.0, "jacobian": 0.0}
MATRIX = torch.tensor([[0.6, 0.9, -0.4], [-0.3, -0.5, 0.7], [0.8, 0.2, 0.3]], dtype=torch.float64)
REGULARISED = {"kinetic": 0.3, "jacobian": 0.2}


class Linear(nn.Module):
    """v = A x + b, in the units of x: the flow divides what the network sees by the scale of the data."""

    def __init__(self, matrix, shift=0.0, scale=1.0):
        super().__init__()
        size = len(matrix)
        self.matrix = nn.Parameter(scale * matrix)
        self.shift = nn.Parameter(torch.full((size,), shift, dtype=matrix.dtype))

    def forward(self, _t, x):
        return (x.flatten(1) @ self.matrix.T + self.shift).reshape(x.shape)


def linear_flow(matrix=MATRIX, shift=0.0, shape=None, rms=0.7, **options):
    task = Task(shape or (len(matrix),), rms, lambda _: Linear(matrix, shift, rms))
    return CNF(task, **{**TIGHT, **options})


def mlp_flow(shape=(3,), kind=CNF, **options):
    """In float64, with gates open: a fresh network is linear in x and has no second derivatives."""
    torch.manual_seed(3)
    task = Task(shape, 0.7, lambda s: ResidualMLP(s, width=12, depth=2, time_width=8))
    method = kind(task, **{**TIGHT, **options}).double()
    with torch.no_grad():
        for name, parameter in method.named_parameters():
            if "modulation" in name:
                parameter.normal_(std=0.5)
    return method


def batch_of(shape=(3,), n=16, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return Batch(0.8 * torch.randn(n, *shape, generator=generator, dtype=torch.float64), None, generator)


def gradients(method, batch):
    method.zero_grad()
    method.loss(batch).backward()
    assert all(parameter.grad is not None for parameter in method.parameters())
    return torch.cat([parameter.grad.flatten() for parameter in method.parameters()])


class TestDensity:
    def test_a_linear_field_gives_the_gaussian_of_its_matrix_exponential(self):
        """x_1 = e^A x_0 + int_0^1 e^{(1-s)A} b ds, so p = N(m, e^A e^{A^T}); the loss is its mean -log p / d."""
        batch = batch_of()
        joined = torch.zeros(4, 4, dtype=torch.float64)
        joined[:3, :3], joined[:3, 3] = MATRIX, 0.4
        flow = torch.linalg.matrix_exp(joined)
        law = torch.distributions.MultivariateNormal(flow[:3, 3], flow[:3, :3] @ flow[:3, :3].T)
        method = linear_flow(shift=0.4)
        assert method.loss(batch).item() == pytest.approx(-law.log_prob(batch.x).mean().item() / 3, rel=1e-5)
        got = method.eval().log_prob(batch.x, LikelihoodSettings(rtol=1e-7, atol=1e-7), batch.generator)
        torch.testing.assert_close(got.value, law.log_prob(batch.x), rtol=1e-5, atol=1e-5)

    def test_the_loss_is_minus_log_prob_a_dimension(self):
        method, batch = mlp_flow(), batch_of()
        loss = method.loss(batch).item()
        density = method.eval().log_prob(batch.x, LikelihoodSettings(rtol=1e-7, atol=1e-7), batch.generator)
        assert loss == pytest.approx(-density.value.mean().item() / 3, rel=1e-5)

    @pytest.mark.parametrize("solver", ["rk4", "midpoint"])
    def test_many_fixed_steps_are_the_adaptive_solve(self, solver):
        fixed = mlp_flow(solver=solver, steps=30).loss(batch_of())
        assert fixed.item() == pytest.approx(mlp_flow().loss(batch_of()).item(), abs=1e-3)

    def test_one_probe_is_unbiased(self):
        """Four dimensions, where the trace is estimated, against the exact density."""
        matrix = 0.5 * torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        method = linear_flow(matrix, solver="rk4", steps=8)
        draws = torch.stack([method.loss(batch_of((4,), 2000, seed)).detach() for seed in range(20)])
        flow = torch.linalg.matrix_exp(matrix)
        law = torch.distributions.MultivariateNormal(torch.zeros(4, dtype=torch.float64), flow @ flow.T)
        truth = torch.stack([-law.log_prob(batch_of((4,), 2000, seed).x).mean() / 4 for seed in range(20)])
        error = draws - truth
        assert error.abs().max() > 1e-5
        assert abs(error.mean().item()) < 4 * error.std().item() / math.sqrt(20)


class TestRegularisers:
    def test_the_kinetic_energy_of_a_constant_field(self):
        method = linear_flow(torch.zeros_like(MATRIX), shift=0.4)
        plain = method.loss(batch_of()).item()
        method.kinetic = 2.0
        assert method.loss(batch_of()).item() - plain == pytest.approx(2 * 0.4**2, rel=1e-9)

    def test_the_kinetic_energy_of_a_linear_field(self):
        """v = a x: |v|^2 = a^2 |x_1|^2 e^{2a(t-1)}, whose integral is a |x_1|^2 (1 - e^{-2a}) / 2."""
        batch, a = batch_of(), 0.8
        method = linear_flow(a * torch.eye(3, dtype=torch.float64))
        plain = method.loss(batch).item()
        method.kinetic = 1.0
        expected = a * (1 - math.exp(-2 * a)) / 2 * batch.x.square().mean().item()
        assert method.loss(batch).item() - plain == pytest.approx(expected, rel=1e-5)

    def test_the_squared_jacobian_of_a_linear_field(self):
        method = linear_flow()
        plain = method.loss(batch_of()).item()
        method.jacobian = 3.0
        expected = 3 * MATRIX.square().sum().item() / 3
        assert method.loss(batch_of()).item() - plain == pytest.approx(expected, rel=1e-5)

    def test_the_squared_jacobian_of_one_probe_is_unbiased(self):
        matrix = torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        method = linear_flow(matrix, solver="rk4", steps=1)
        plain = method.loss(batch_of((4,), 40_000)).item()
        method.jacobian = 1.0
        got = method.loss(batch_of((4,), 40_000)).item() - plain
        assert got == pytest.approx(matrix.square().sum().item() / 4, rel=0.02)


class TestGradients:
    @pytest.mark.parametrize("shape", [(2,), (1, 2, 3)])
    def test_the_adjoint_is_backpropagation(self, shape):
        """In two dimensions with the exact trace, in six with a probe that both solves keep."""
        both = [
            gradients(mlp_flow(shape, gradient=name, **REGULARISED), batch_of(shape, 6))
            for name in ("backprop", "adjoint")
        ]
        torch.testing.assert_close(*both, rtol=1e-4, atol=1e-6)
        assert both[0].norm() > 0.1

    def test_in_fixed_steps_they_agree_as_the_steps_shrink(self):
        options = {"solver": "rk4", **REGULARISED}
        exact = gradients(mlp_flow(gradient="backprop", **REGULARISED), batch_of())
        few, many = (
            (gradients(mlp_flow(gradient="adjoint", steps=steps, **options), batch_of()) - exact).norm()
            for steps in (3, 16)
        )
        assert many < 1e-3 * exact.norm()
        assert many < 0.1 * few

    def test_backpropagation_is_the_slope_of_the_loss(self):
        """Along a random direction of the weights, by central differences."""
        method = mlp_flow(solver="rk4", steps=2, **REGULARISED)
        weights = FlatWeights(method)
        direction = torch.randn(weights.vector.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        method.loss(batch_of()).backward()
        weights.gather_gradient()
        start, losses = weights.vector.detach().clone(), []
        for sign in (1, -1):
            weights.assign(start + sign * 1e-5 * direction)
            losses.append(method.loss(batch_of()).item())
        slope = torch.dot(weights.gradient, direction).item()
        assert slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6)

    def test_the_adjoint_reaches_weights_that_are_views_of_one_vector(self):
        plain = gradients(mlp_flow(gradient="adjoint"), batch_of())
        method = mlp_flow(gradient="adjoint")
        weights = FlatWeights(method)
        method.loss(batch_of()).backward()
        weights.gather_gradient()
        assert weights.gradient.norm() == pytest.approx(plain.norm().item(), rel=1e-9)


class TestTimes:
    @pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
    @pytest.mark.parametrize("solver", ["rk4", "midpoint", "dopri5"])
    def test_training_stays_inside_the_interval(self, solver, gradient):
        method, seen = mlp_flow(solver=solver, steps=3, tol=1e-3, gradient=gradient), []
        velocity = method.velocity

        def spy(t, x):
            seen.append(t.item())
            return velocity(t, x)

        method.velocity = spy
        method.loss(batch_of()).backward()
        assert max(seen) == 1
        assert 0 <= min(seen) < 0.5

    def test_inner_knots_are_uniform_in_their_cells(self):
        generator = torch.Generator().manual_seed(0)
        up = torch.tensor([0.0, 1.0])
        grids = torch.stack([random_grid(3, generator, torch.device("cpu"))(None, up, up) for _ in range(4000)])
        assert (grids[:, 0] == 0).all()
        assert (grids[:, -1] == 1).all()
        for knot, centre in ((1, 1 / 3), (2, 2 / 3)):
            assert (grids[:, knot] - centre).abs().max() <= 1 / 6
            assert grids[:, knot].mean().item() == pytest.approx(centre, abs=0.01)
            assert grids[:, knot].std().item() == pytest.approx(1 / math.sqrt(12) / 3, rel=0.05)

    def test_both_directions_share_the_grid(self):
        grid = random_grid(4, torch.Generator().manual_seed(0), torch.device("cpu"))
        up = torch.tensor([0.0, 1.0])
        assert torch.equal(grid(None, up, up), grid(None, up, up.flip(0)).flip(0))


class TestAugmented:
    """One coordinate x beside one of noise, under a linear flow: p(x, a) is Gaussian, and so is p(x)."""

    INDEPENDENT = torch.diag(torch.tensor([0.5, 0.0], dtype=torch.float64))
    COUPLED = torch.tensor([[0.5, 0.4], [0.6, -0.2]], dtype=torch.float64)

    def build(self, matrix, draws=1, rms=0.7):
        options = {**TIGHT, "augment": 1, "draws": draws}
        return ANODE(Task((1,), rms, lambda _: Linear(matrix, scale=rms)), **options)

    def marginal(self, matrix):
        flow = torch.linalg.matrix_exp(matrix)
        return torch.distributions.Normal(0.0, (flow @ flow.T)[0, 0].sqrt())

    def test_the_bound_is_exact_where_the_noise_is_independent(self, generator):
        x = batch_of((1,), 50).x
        truth = -self.marginal(self.INDEPENDENT).log_prob(x)[:, 0]
        got = self.build(self.INDEPENDENT, draws=3).eval().bound(x, generator)
        torch.testing.assert_close(got, truth, rtol=0, atol=1e-4)

    def test_the_bound_is_above_the_truth_and_tightens_with_draws(self, generator):
        x = batch_of((1,), 4000).x
        truth = -self.marginal(self.COUPLED).log_prob(x)[:, 0]
        gaps = [(self.build(self.COUPLED, k).eval().bound(x, generator) - truth).mean().item() for k in (1, 4, 32)]
        assert gaps[0] > 2 * gaps[1] > 0
        assert gaps[1] > 2 * gaps[2] > 0

    def test_one_draw_is_the_evidence_bound_in_closed_form(self, generator):
        """E_a[log q(a) - log p(x, a)], with p = N(0, S): the entropies' difference and the quadratic form's mean."""
        x = torch.tensor([[0.9]], dtype=torch.float64)
        flow = torch.linalg.matrix_exp(self.COUPLED)
        precision = torch.linalg.inv(flow @ flow.T)
        quadratic = precision[0, 0] * x[0, 0] ** 2 + precision[1, 1]
        expected = 0.5 * quadratic - 0.5 * torch.logdet(precision) + math.log(2 * math.pi)
        expected = expected - 0.5 * math.log(2 * math.pi * math.e)
        each = self.build(self.COUPLED).eval().bound(x.expand(20_000, 1), generator)
        assert each.mean().item() == pytest.approx(expected.item(), abs=4 * each.std().item() / math.sqrt(20_000))

    def test_the_loss_is_the_bound_of_one_draw_a_dimension(self):
        method = mlp_flow((2,), ANODE, augment=1, draws=1)
        loss = method.loss(batch_of((2,))).item()
        bound = method.eval().bound(batch_of((2,)).x, batch_of((2,)).generator)
        assert loss == pytest.approx(bound.mean().item() / 2, abs=1e-4)

    def test_estimated_traces_are_averaged(self):
        """Above `exact_up_to` dimensions more draws leave the expectation where it is."""
        method = mlp_flow((1, 3, 3), ANODE, augment=1, draws=1).eval()
        x = batch_of((1, 3, 3), 400).x
        one = method.bound(x, torch.Generator().manual_seed(0))
        method.draws = 6
        six = method.bound(x, torch.Generator().manual_seed(1))
        assert (one - six).mean().item() == pytest.approx(0, abs=4 * (one - six).std().item() / 20)
        assert six.std() < one.std()

    @pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
    @pytest.mark.parametrize("name", [name for name, spec in SAMPLERS.items() if spec.needs == "velocity"])
    def test_samples_drop_the_noise(self, shape, name, generator):
        method = mlp_flow(shape, ANODE, augment=2, draws=1).eval()
        assert method.source(5, generator).shape == (5, shape[0] + 2, *shape[1:])
        settings = Sampler(name=name, steps=0 if name == "dopri5" else 4)
        samples = method.sample(5, settings, torch.Generator().manual_seed(0))
        assert samples.shape == (5, *shape)
        start = method.source(5, torch.Generator().manual_seed(0))
        joint = SAMPLERS[name].load()(method, start, settings, generator)
        assert torch.equal(samples, joint[:, : shape[0]])

    def test_it_has_no_log_density(self, generator):
        with pytest.raises(NotImplementedError, match="bound"):
            self.build(self.COUPLED).log_prob(batch_of((1,)).x, LikelihoodSettings(), generator)


def test_weights_stay_single_precision_and_outputs_follow_the_state():
    task = Task((2,), 0.7, lambda s: ResidualMLP(s, width=8, depth=1, time_width=4))
    method = CNF(task, **TIGHT)
    assert {parameter.dtype for parameter in method.parameters()} == {torch.float32}
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert method.velocity(0.5, x.double()).dtype == torch.float64
    many = method.velocity(torch.full((3,), 0.5), x)
    torch.testing.assert_close(many, method.velocity(0.5, x))
