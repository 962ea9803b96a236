from __future__ import annotations

import math

import pytest
import torch

from fmbench import paths
from fmbench.data.base import Levels, Standardise
from fmbench.solvers.likelihood import (
    LikelihoodSettings,
    LogDensity,
    bits_per_dim,
    divergence,
    log_mean_exp,
    mean_over_draws,
    ode_log_prob,
)
from fmbench.solvers.nfe import counted
from fmbench.testing.oracles import oracle_method

EXACT = LikelihoodSettings()
HUTCHINSON = LikelihoodSettings(exact_up_to=0, probes=2)


def predicts_for(path):
    return "noise" if path.at(torch.tensor([path.t_min]).double()).alpha > 0 else "velocity"


def test_nll_of_every_path_is_the_truth(law, path, generator):
    """Within 1e-3 nats of the data's own density, on a covariance that is not diagonal."""
    x = law.sample(400, generator)
    got = ode_log_prob(oracle_method(law, path, predicts_for(path)), x, EXACT, generator)
    assert got.error is None
    assert (got.value - law.log_prob(x)).mean().abs() < 1e-3
    # Single points of the diffusion paths are off by the mismatch between N(0, I) and the marginal at t = 0.
    assert (got.value - law.log_prob(x)).abs().max() < (5e-3 if predicts_for(path) == "velocity" else 6e-2)


@pytest.mark.parametrize("predicts", ["velocity", "noise", "score", "data"])
def test_nll_does_not_depend_on_what_the_network_predicts(law, generator, predicts):
    x = law.sample(200, generator)
    got = ode_log_prob(oracle_method(law, paths.VP(), predicts), x, EXACT, generator)
    assert (got.value - law.log_prob(x)).mean().abs() < 1e-3


def test_images_and_vectors_agree(law, generator):
    x = law.sample(50, generator)
    flat = ode_log_prob(oracle_method(law, paths.CondOT()), x, EXACT, generator)
    image = ode_log_prob(oracle_method(law, paths.CondOT(), shape=(1, 3, 1)), x.reshape(50, 1, 3, 1), EXACT, generator)
    torch.testing.assert_close(flat.value, image.value)


def test_the_exact_trace_costs_a_vjp_a_dimension(law, generator):
    method = oracle_method(law, paths.CondOT())
    with counted(method) as count:
        ode_log_prob(method, law.sample(10, generator), EXACT, generator)
    assert count.vjps == 3 * count.calls
    with counted(method) as count:
        ode_log_prob(method, law.sample(10, generator), HUTCHINSON, generator)
    assert count.vjps == 2 * count.calls


class TestHutchinson:
    def test_unbiased_with_the_variance_of_its_formula(self, generator):
        """Rademacher probes: mean tr J, variance 2 sum_{i != j} S_ij^2 with S the symmetric part of J."""
        jacobian = torch.tensor([[0.5, 1.5, -0.3], [0.2, -1.0, 0.8], [0.0, -0.6, 0.3]], dtype=torch.float64)
        n = 40_000
        x = torch.zeros(n, 3, dtype=torch.float64)
        probes = (2 * torch.randint(0, 2, (1, n, 3), generator=generator) - 1).double()
        _, trace = divergence(lambda _, y: y @ jacobian.T, 0.0, x, probes)
        symmetric = (jacobian + jacobian.T) / 2
        variance = 2 * (symmetric.square().sum() - symmetric.diagonal().square().sum())
        assert variance > 0.5
        assert trace.mean().item() == pytest.approx(jacobian.trace().item(), abs=4 * math.sqrt(variance / n))
        assert trace.var().item() == pytest.approx(variance.item(), rel=0.05)

    def test_log_density_is_unbiased_and_its_error_is_honest(self, law, path, generator):
        method = oracle_method(law, path, predicts_for(path))
        x = law.sample(1, generator).expand(3000, 3)
        got = ode_log_prob(method, x.contiguous(), HUTCHINSON, generator)
        exact = ode_log_prob(method, x[:1].contiguous(), EXACT, generator).value
        spread = got.value.std()
        assert spread > 0.02  # a probe of a diagonal Jacobian would have none
        assert (got.value.mean() - exact).abs() < 4 * spread / math.sqrt(3000) + 1e-3
        # The error that each value carries, estimated from two probes, is right on average.
        assert got.error.square().mean().sqrt().item() == pytest.approx(spread.item(), rel=0.1)

    def test_exact_and_estimated_agree_on_the_field(self, law, generator):
        method = oracle_method(law, paths.VP(), "noise")
        x = law.sample(20, generator)
        probes = torch.ones(1, 20, 3, dtype=torch.float64)
        a, _ = divergence(method.velocity, 0.5, x, None)
        b, _ = divergence(method.velocity, 0.5, x, probes)
        torch.testing.assert_close(a, b)

    def test_the_exact_trace_is_that_of_the_jacobian(self, generator):
        def field(t, x):
            return torch.stack([x[:, 0] ** 2 * x[:, 1], torch.sin(x[:, 0]) + x[:, 1] ** 3], dim=1)

        x = torch.randn(9, 2, generator=generator, dtype=torch.float64)
        _, trace = divergence(field, 0.0, x, None)
        expected = torch.stack([torch.func.jacrev(lambda y: field(0, y[None])[0])(point).trace() for point in x])
        torch.testing.assert_close(trace[:, 0], expected)


class TestBitsPerDim:
    @pytest.mark.parametrize("levels", [2, 17, 256])
    def test_a_uniform_density_costs_log2_levels(self, levels):
        """On [-1, 1]^d a uniform density has log p = -d ln 2, and every level costs exactly log2(levels) bits."""
        transform, d = Levels(levels), 5
        log_prob = torch.full((3,), -d * math.log(2), dtype=torch.float64) + transform.log_jacobian(d)
        torch.testing.assert_close(bits_per_dim(log_prob, d), torch.full((3,), math.log2(levels), dtype=torch.float64))

    def test_another_scaling_of_the_same_levels_costs_the_same(self):
        """The offset comes from the transform: on [0, 256) stretched to any width the answer stays 8 bits."""
        d = 4
        for scale in (0.5, 64.0):
            transform = Standardise((0.0,), scale)
            width = 256 / scale
            log_prob = torch.tensor([-d * math.log(width)]) + transform.log_jacobian(d)
            assert bits_per_dim(log_prob, d).item() == pytest.approx(8, rel=1e-6)

    def test_the_jacobian_is_that_of_encode(self, generator):
        raw = torch.tensor([[0, 3], [16, 8]], dtype=torch.uint8)
        x = Levels(17).encode(raw, generator)
        u = (x + 1) * 17 / 2 - raw
        assert ((u >= 0) & (u < 1)).all()
        assert Levels(17).log_jacobian(2) == pytest.approx(2 * math.log(2 / 17))


class TestDraws:
    def test_log_mean_exp_of_known_values(self):
        assert log_mean_exp(torch.tensor([[0.0], [math.log(3.0)]])).item() == pytest.approx(math.log(2))

    def test_more_draws_tighten_the_bound(self, law, generator):
        """Levels of a Gaussian's cells: log-mean-exp over draws rises towards the log-probability of the level."""

        def draw():
            x = 4 * torch.rand(2000, 3, generator=generator, dtype=torch.float64) - 2
            return LogDensity(law.log_prob(x) + 3 * math.log(4))

        means = [mean_over_draws([draw() for _ in range(k)]).value.mean().item() for k in (1, 5, 50, 500)]
        assert means == sorted(means)
        exact = torch.distributions.MultivariateNormal(law.mean, law.covariance).sample((200_000,)).abs().lt(2).all(1)
        assert means[-1] == pytest.approx(exact.double().mean().log().item(), abs=0.02)

    def test_errors_of_equal_draws_average(self):
        draws = [LogDensity(torch.zeros(1), torch.full((1,), error)) for error in (0.3, 0.4)]
        assert mean_over_draws(draws).error.item() == pytest.approx(0.25)

    def test_the_noise_of_a_probe_that_all_draws_have_is_no_spread_of_the_draws(self, generator):
        """log-mean-exp over draws, the mean over probes: E of noise drops out, and is what the error tells."""
        exact = torch.randn(6, 2000, generator=generator, dtype=torch.float64)
        noise = 2 * torch.randn(2000, 4, generator=generator, dtype=torch.float64)
        combined = mean_over_draws([LogDensity.of(draw[:, None] + noise) for draw in exact])
        off = combined.value - log_mean_exp(exact)
        assert abs(off.mean()) < 4 * off.std() / math.sqrt(2000)
        assert combined.error.square().mean().sqrt().item() == pytest.approx(1.0, rel=0.05)
