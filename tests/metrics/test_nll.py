"""The likelihood as a metric: against a density that is known, its checks and what it counts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fmbench import paths
from fmbench.data.base import Dataset, Levels, Standardise
from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation
from fmbench.metrics.nll import NLL
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings, bits_per_dim, mean_over_draws, ode_log_prob
from fmbench.testing.oracles import GaussianLaw, MixtureLaw, oracle_method
from tests.helpers import tiny_plan

OPTIONS = {
    "draws": 1, "probes": 4, "exact_up_to": 16, "solver": "dopri5", "steps": 100, "rtol": 1e-5, "atol": 1e-5,
    "batch_size": 256, "checked": 32,
}  # fmt: skip
PLUGINS = load_plugins(environ={})


@pytest.fixture
def mixture(law):
    other = GaussianLaw(law.mean - 3, law.covariance.flip(0, 1))
    return MixtureLaw([law, other], torch.tensor([0.3, 0.7], dtype=torch.float64))


def evaluation_of(law, generator, n=300, path=None):
    """The oracle of a law as a trained method, on points of the law as a test split."""
    train, test = law.sample(50, generator), law.sample(n, generator)
    dataset = Dataset("law", train, test, Standardise((0.0,) * train.shape[1], 1.0), density=law)
    return Evaluation(
        method=oracle_method(law, path or paths.CondOT()),
        method_spec=PLUGINS.methods.get("fm-ot"),
        dataset=dataset,
        dataset_spec=PLUGINS.datasets.get("8gaussians"),
        extractors=PLUGINS.extractors,
        sampler=Sampler(),
        seed=0,
        device=torch.device("cpu"),
        progress=Silent(),
    )


def measured(evaluation, **options):
    return {value.name: value for value in NLL(**OPTIONS | options).measure(evaluation)}


@pytest.mark.parametrize("kind", [paths.CondOT, paths.Trig, paths.VP])
def test_a_mixture_through_its_exact_field(mixture, generator, kind):
    """Within 1e-2 nats of the truth at tolerance 1e-5: a density with two modes and a field that is not linear."""
    x = mixture.sample(400, generator)
    method = oracle_method(mixture, kind(), "velocity" if kind is not paths.VP else "noise")
    got = ode_log_prob(method, x, LikelihoodSettings(), generator)
    assert (got.value - mixture.log_prob(x)).mean().abs() < 1e-2
    assert (got.value - mixture.parts[0].log_prob(x)).mean().abs() > 1  # one part alone is another density


def test_the_gap_is_zero_where_the_field_is_exact(mixture, generator):
    values = measured(evaluation_of(mixture, generator))
    assert abs(values["nll-gap"].value) < 1e-2
    assert values["nll"].unit == "nats"
    assert values["nll"].value == pytest.approx(-mixture.log_prob(evaluation_test(mixture)).mean().item(), abs=0.2)


def evaluation_test(law):
    return law.sample(20_000, torch.Generator().manual_seed(1))


def test_the_solver_error_is_what_a_finer_solve_moves(mixture, generator):
    evaluation = evaluation_of(mixture, generator)
    fine = measured(evaluation)["nll"].details
    coarse = measured(evaluation, rtol=1e-2, atol=1e-2)["nll"].details
    assert fine["solver_error_n"] == 32
    assert abs(fine["solver_error"]) <= fine["solver_error_max"] < 1e-2
    assert coarse["solver_error_max"] > 10 * fine["solver_error_max"]


def test_bosh3_is_adaptive_too(mixture, generator):
    evaluation = evaluation_of(mixture, generator)
    adaptive, other = measured(evaluation)["nll"], measured(evaluation, solver="bosh3", steps=3)["nll"]
    assert other.value == pytest.approx(adaptive.value, abs=1e-3)
    assert other.details["solver_error_n"] == 32
    assert other.details["steps_accepted"] > 3  # steps are those of a fixed-step solver
    assert other.details["nfe"] != adaptive.details["nfe"]


class TestSomePoints:
    """The first n, whatever the batches."""

    def test_they_are_the_first_with_the_numbers_that_all_would_give_them(self, mixture, generator):
        evaluation = evaluation_of(mixture, generator)
        some = measured(evaluation, points=60, batch_size=30, rtol=1e-8, atol=1e-8)
        density = ode_log_prob(
            evaluation.method, evaluation.dataset.test[:60], LikelihoodSettings(rtol=1e-8, atol=1e-8), generator
        )
        assert some["nll"].value == pytest.approx(-float(density.value.mean()), abs=1e-5)
        truth = evaluation.dataset.density.log_prob(evaluation.dataset.test[:60])
        assert some["nll-gap"].value == pytest.approx(float((truth - density.value).mean()), abs=1e-5)
        assert {value.n for value in some.values()} == {60}
        assert some["nll"].details["nfe"] == pytest.approx(some["nfe-nll"].value)

    def test_more_than_there_are_are_all(self, mixture, generator):
        evaluation = evaluation_of(mixture, generator)
        every, more = measured(evaluation)["nll"], measured(evaluation, points=1000)["nll"]
        assert (more.value, more.n) == (every.value, 300)

    def test_they_are_a_protocol_of_their_own_and_all_are_the_one_of_old(self):
        plain, said, some = (
            tiny_plan(*given, plugins=PLUGINS, methods=["fm-ot"])[0].evaluation
            for given in ((), ("nll.points=0",), ("nll.points=20",))
        )
        assert "points" not in plain.protocol("nll")
        assert plain.protocol("nll") == said.protocol("nll")
        assert some.protocol("nll") == {**plain.protocol("nll"), "points": 20}


class TestFixedSteps:
    def test_coarse_ones_are_refused_with_what_to_do(self, mixture, generator):
        """Twenty Euler steps report a likelihood better than the truth."""
        evaluation = evaluation_of(mixture, generator)
        with pytest.raises(Unavailable, match=r"20 steps of euler are too coarse: .* raise nll\.steps or take"):
            measured(evaluation, solver="euler", steps=20)

    def test_fine_ones_are_taken(self, mixture, generator):
        evaluation = evaluation_of(mixture, generator)
        adaptive = measured(evaluation)["nll"].value
        fixed = measured(evaluation, solver="rk4", steps=60)["nll"]
        assert fixed.value == pytest.approx(adaptive, abs=3 * 1e-3 * 3 * math.log(2))
        assert fixed.details["solver_error_n"] == 300
        assert fixed.details["nfe"] == 4 * 60

    def test_the_limit_is_a_thousandth_of_a_bit_a_dimension(self, mixture, generator, monkeypatch):
        evaluation = evaluation_of(mixture, generator)
        moved = abs(measured(evaluation, solver="rk4", steps=60)["nll"].details["solver_error"])
        monkeypatch.setattr("fmbench.metrics.nll.HALVING", 0.9 * moved / (3 * math.log(2)))
        with pytest.raises(Unavailable, match="too coarse"):
            measured(evaluation, solver="rk4", steps=60)


def test_work_is_counted_by_itself(mixture, generator):
    """One call and one vector-Jacobian product an evaluation with one probe; three products with the exact trace."""
    evaluation = evaluation_of(mixture, generator, n=64)
    one = measured(evaluation, exact_up_to=0, probes=1)
    details = one["nll"].details
    assert details["vjps"] == details["calls"] == one["nfe-nll"].value
    assert details["calls"] == 1 + 6 * (details["steps_accepted"] + details["steps_rejected"])
    exact = measured(evaluation)
    assert exact["nfe-nll"].details["vjps"] == 3 * exact["nfe-nll"].value


class TestDraws:
    @pytest.fixture
    def levels(self, law, generator):
        """The oracle of a law on levels whose cells it fills."""
        evaluation = evaluation_of(law, generator)
        raw = torch.randint(0, 8, (1500, 3), generator=generator, dtype=torch.uint8)
        data = Dataset("levels", raw[:50], raw, Levels(8))
        return replace(evaluation, dataset=data)

    def test_random_traces_do_not_make_many_draws_look_better(self, levels):
        """The field is linear, so that the probes' noise is the same for every draw, and the mean is exact."""
        exact = measured(levels, draws=20)["nll"]
        noisy = measured(levels, draws=20, exact_up_to=0, probes=2)["nll"]
        assert exact.error is None
        assert noisy.error > 0
        assert abs(noisy.value - exact.value) < 4 * noisy.error

    def test_with_new_probes_for_each_draw_they_would(self, levels, generator):
        """What the test above would see of traces whose noise is taken for a spread of the draws."""
        settings, data = LikelihoodSettings(exact_up_to=0, probes=2), levels.dataset
        exact = measured(levels, draws=20)["nll"].value
        draws = []
        for _ in range(20):
            x = data.transform.encode(data.test, generator)
            draws.append(replace(ode_log_prob(levels.method, x, settings, generator), each=None))
        log_prob = mean_over_draws(draws).value + data.transform.log_jacobian(3)
        biased = bits_per_dim(log_prob, 3).mean().item()
        noisy = measured(levels, draws=20, exact_up_to=0, probes=2)["nll"]
        assert biased < exact - 8 * noisy.error

    def test_more_draws_give_a_lower_bound_on_bits(self, levels):
        one, many = (measured(levels, draws=draws)["nll"].value for draws in (1, 30))
        assert many < one

    def test_their_calls_are_counted_by_the_point_and_draw(self, levels):
        one, many = (measured(levels, draws=draws, solver="rk4", steps=40) for draws in (1, 3))
        assert many["nfe-nll"].value == one["nfe-nll"].value == 160
        assert many["nll"].details["calls"] == 3 * one["nll"].details["calls"]

    def test_points_have_none_and_their_calls_are_not_divided_by_them(self, law, generator):
        evaluation = evaluation_of(law, generator, n=40)
        one, many = (measured(evaluation, draws=draws) for draws in (1, 20))
        assert many["nfe-nll"].value == one["nfe-nll"].value
        assert many["nll"].value == one["nll"].value


def test_held_out_points_that_are_training_points_are_told(law, generator):
    evaluation = evaluation_of(law, generator, n=40)
    assert "warning" not in measured(evaluation)["nll"].details
    data = evaluation.dataset
    leaked = replace(data, test=torch.cat([data.test, data.train[:3]]))
    found = measured(replace(evaluation, dataset=leaked))["nll"].details
    assert found["warning"] == "3 of 43 held-out points are training points too"


def test_probes_are_the_same_for_every_method(mixture, generator):
    """Two methods with the same field get the same error from their probes, and another seed gets another."""
    evaluation = evaluation_of(mixture, generator, n=40)
    a, b = (measured(one, exact_up_to=0)["nll"] for one in (evaluation, replace(evaluation)))
    other = measured(replace(evaluation, seed=1), exact_up_to=0)["nll"]
    assert (a.value, a.error) == (b.value, b.error)
    assert a.error > 0
    assert other.value != a.value
