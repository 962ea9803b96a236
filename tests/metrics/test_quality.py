"""Quality against cost: the curves and what they come to."""

from __future__ import annotations

import pytest

from fmbench.errors import FmbenchError
from fmbench.metrics.base import Evaluation
from fmbench.metrics.quality import CALLS, COSTS, settled
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan


def record(root, run, name):
    return next(record for record in RunDirectory.of(root, run).metrics() if record.name == name)


@pytest.mark.parametrize(("dataset", "measure"), [("digits", "fid"), ("8gaussians", "w2")])
def test_a_curve_of_a_fixed_step_solver_beside_the_adaptive_point(tmp_path, dataset, measure):
    (run,) = tiny_plan(methods=["fm-ot"], dataset=dataset, metrics=["curve"])
    assert carry_out([run], tmp_path).complete
    found = record(tmp_path, run, "nfe-10pct")
    curve = found.details["curve"]
    assert [point["nfe"] for point in curve] == list(COSTS)
    assert found.details["measure"] == measure
    assert found.family == ("digits-v1" if dataset == "digits" else "")
    assert found.details["adaptive"]["nfe"] % 6 == 1
    adaptive = found.details["adaptive"]["nfe"]
    assert found.value in {adaptive, *(point["nfe"] for point in curve)}


@pytest.mark.parametrize(
    ("values", "cost"),
    [
        ([1.0, 2.0, 1.5, 1.05, 1.0], 50),  # near at first, by chance, and then for good
        ([5.0, 4.0, 1.05, 1.09, 1.0], 20),
        ([1.0, 1.0, 1.0, 1.0, 1.0], 5),
        ([3.0, 1.0, 3.0, 3.0, 1.2], None),
        ([3.0, 3.0, 3.0, 3.0, 1.0], 100),
    ],
)
def test_from_which_cost_on_all_values_are_near_the_best(values, cost):
    curve: list[dict[str, float]] = [{"nfe": nfe, "value": value} for nfe, value in zip(COSTS, values, strict=True)]
    assert settled(curve, min(values), "nfe") == cost


def test_a_curve_draws_one_set_by_the_adaptive_solver(tmp_path, monkeypatch):
    drawn, draw = [], Evaluation.draw

    def counted(evaluation, index=0, **changes):
        drawn.append((index, changes.get("name", "headline")))
        return draw(evaluation, index, **changes)

    monkeypatch.setattr(Evaluation, "draw", counted)
    (run,) = tiny_plan("sampler.draws=3", methods=["fm-ot"], dataset="8gaussians", metrics=["curve"])
    carry_out([run], tmp_path)
    assert sorted(drawn) == [*([(0, "euler")] * len(COSTS)), (0, "headline")]


@pytest.mark.parametrize("solver", ["midpoint", "rk4"])
def test_stages_are_paid_for(tmp_path, solver):
    (run,) = tiny_plan(f"curve.solver={solver}", methods=["fm-ot"], metrics=["curve"])
    carry_out([run], tmp_path)
    costs = [point["nfe"] for point in record(tmp_path, run, "nfe-10pct").details["curve"]]
    assert costs == [max(1, cost // CALLS[solver]) * CALLS[solver] for cost in COSTS]


def test_methods_without_a_velocity_have_none(tmp_path):
    (run,) = tiny_plan(methods=["smld"], metrics=["curve", "nfe"])
    carry_out([run], tmp_path)
    assert record(tmp_path, run, "curve").reason == "n/a"


class TestLearningCurve:
    def test_over_the_weights_that_were_kept(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"], metrics=["learning-curve", "fid"])
        assert carry_out([run], tmp_path, snapshots=3).complete
        found = record(tmp_path, run, "steps-10pct")
        curve = found.details["curve"]
        assert [point["step"] for point in curve] == [2, 4, 6]
        assert curve[0]["seconds"] < curve[-1]["seconds"]
        # The last of them are the weights that are scored, on the same noise.
        assert curve[-1]["value"] == pytest.approx(record(tmp_path, run, "fid").value, rel=1e-9)
        assert curve[0]["value"] != curve[-1]["value"]

    def test_without_any_it_says_what_to_do(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"], metrics=["nfe", "learning-curve"])
        with pytest.raises(FmbenchError, match="learning-curve reads the weights kept during training: add --snapsh"):
            carry_out([run], tmp_path)
        assert not any(tmp_path.iterdir())

    def test_of_weights_that_were_trained_without_any(self, tmp_path):
        (trained,), (run,) = (tiny_plan(methods=["fm-ot"], metrics=names) for names in (["nfe"], ["learning-curve"]))
        carry_out([trained], tmp_path)
        outcome = carry_out([run], tmp_path)
        assert not outcome.complete
        assert "train with fmbench run --snapshots 8" in outcome.rows[0].reasons[0]


def test_flops_of_a_training_are_those_of_its_steps(tmp_path):
    """Two products of matrices forward, four backward: 6 for each weight and row, but for the first layer's input."""
    runs = tiny_plan("network.width=128", methods=["fm-ot", "reflow-2", "gaussian"], metrics=["nfe"])
    carry_out(runs, tmp_path)
    flow, reflow, fitted = (RunDirectory.of(tmp_path, run).training() for run in runs)
    rows, steps = 16, 6
    assert 0.8 < flow.flops / (6 * flow.params * rows * steps) < 1.2
    assert reflow.flops == pytest.approx(2 * flow.flops, rel=1e-6)  # the teacher's are charged
    assert fitted.flops is None
