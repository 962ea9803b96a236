"""Budgets in steps, images, seconds and FLOPs."""

from __future__ import annotations

import pytest
import torch

from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import Train
from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, pace
from fmbench.training.session import TrainingSession
from tests import helpers

PLUGINS = load_plugins(environ={})
TINY = tuple(text for text in helpers.TINY if not text.startswith("train.steps"))
REFLOW = ("options.reflow-2.pairs=40", "options.reflow-2.solver_steps=2")


def plan(*assignments, **said):
    from fmbench import commands

    return commands.plan(PLUGINS, assignments=[*TINY, *assignments], **said)


def learn(run, folder, **execution):
    """Train alone; what it cost."""
    dataset = PLUGINS.datasets.get("digits").load()()
    session = TrainingSession(dataset, PLUGINS, Execution("cpu", **execution), Silent())
    directory = RunDirectory(folder)
    session.train(run.training, session.build(run.training), directory)
    return directory.training()


class TestWhatIsAsked:
    def test_steps_are_train_steps(self):
        (said,), (meant,) = plan("budget.steps=7", methods=["fm-ot"]), plan("train.steps=7", methods=["fm-ot"])
        assert said == meant
        assert said.training.id == meant.training.id

    def test_images_are_shared_by_a_method_and_its_teacher(self):
        runs = plan("budget.images=330", methods=["fm-ot", "reflow-2"])
        assert [run.training.train.steps for run in runs] == [330 // 16, 330 // 32]
        assert runs[0].training.id == plan("train.steps=20", methods=["fm-ot"])[0].training.id

    def test_it_outdoes_what_the_method_and_the_dataset_bring(self):
        assert [run.training.train.steps for run in plan(methods=["cnf", "fm-ot"])] == [600, 2400]
        assert [run.training.train.steps for run in plan("budget.steps=9", methods=["cnf", "fm-ot"])] == [9, 9]
        (cnf,) = plan("budget.seconds=9", methods=["cnf"])
        assert cnf.training.train.lr == 1e-3  # what else it brings stays
        assert cnf.training.train.steps == Train().steps

    @pytest.mark.parametrize("unit", ["seconds", "flops"])
    def test_time_and_work_are_part_of_the_identity(self, unit):
        (run,), (plain,) = plan(f"budget.{unit}=1e9", methods=["cnf"]), plan(methods=["cnf"])
        assert run.training.model_dump()["budget"] == {unit: 1e9}
        assert "budget" not in plain.training.model_dump()
        assert run.training.id != plain.training.id
        assert run.overrides == {**plain.overrides, f"budget.{unit}": 1e9}
        assert type(run.training).model_validate(run.training.model_dump()) == run.training

    @pytest.mark.parametrize(
        ("assignments", "message"),
        [
            (("budget.steps=3", "budget.images=900"), "budget: budget.steps and budget.images given; give exactly one"),
            (("budget.steps=3", "train.steps=3"), "budget.steps and train.steps both say how long to train"),
            (("budget.hours=3",), "unknown key of budget 'hours'"),
            (("budget.seconds=0",), "budget.seconds = 0: must be greater than 0"),
            (("budget.images=15",), "budget.images = 15: must be at least 16, a step of 'fm-ot'"),
            (("budget=3",), "budget must be a mapping"),
        ],
    )
    def test_what_makes_no_sense_is_one_line(self, assignments, message):
        with pytest.raises(FmbenchError) as caught:
            plan(*assignments, methods=["fm-ot"])
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


class TestFlops:
    def test_as_many_steps_as_they_pay_for(self, tmp_path):
        (reference,) = plan("train.steps=5", methods=["fm-ot"])
        spent = learn(reference, tmp_path / "reference").flops
        (run,) = plan(f"budget.flops={spent * 1.1:.6e}", methods=["fm-ot"])
        summary = learn(run, tmp_path / "run")
        assert (summary.steps, summary.images) == (5, 80)
        assert summary.flops == spent
        weights = [checkpoints.load(tmp_path / name / "checkpoints", "cpu") for name in ("reference", "run")]
        assert torch.equal(weights[0]["average"]["method"], weights[1]["average"]["method"])  # counting left no trace

    @pytest.mark.parametrize("name", ["realnvp", "i-resnet"])
    def test_counting_leaves_buffers_as_they_were(self, tmp_path, name):
        (reference,) = plan("train.steps=3", methods=[name])
        spent = learn(reference, tmp_path / "reference").flops
        (run,) = plan(f"budget.flops={spent * 1.1:.6e}", methods=[name])
        learn(run, tmp_path / "run")
        a, b = (checkpoints.load(tmp_path / place / "checkpoints", "cpu") for place in ("reference", "run"))
        assert all(torch.equal(value, b["method"][key]) for key, value in a["method"].items())

    def test_a_teacher_has_half_and_preparation_is_charged(self, tmp_path):
        (reference,) = plan("train.steps=20", methods=["rectified-flow"])
        spent = learn(reference, tmp_path / "reference").flops
        (run,) = plan(*REFLOW, f"budget.flops={spent:.6e}", methods=["reflow-2"])
        own = learn(run, tmp_path / "run")
        teacher = RunDirectory(tmp_path / "run" / "teacher").training()
        assert teacher.steps == 10
        assert 0 < own.steps < 10  # drawing pairs took the rest
        assert 0.85 * spent < own.flops <= spent


class TestSeconds:
    def test_training_ends_when_they_are_spent(self, tmp_path):
        (run,) = plan("budget.seconds=0.5", methods=["fm-ot"])
        summary = learn(run, tmp_path, snapshots=2)
        assert summary.seconds >= 0.5
        assert summary.images == 16 * summary.steps
        (*_, last) = read_lines(tmp_path / "train.jsonl")
        assert last["step"] == summary.steps
        assert 0 <= last["lr"] < 2e-3  # warming up or decaying, however slow a step was
        assert list((tmp_path / "snapshots").iterdir())

    def test_resuming_keeps_what_was_spent(self, tmp_path):
        (run,) = plan("budget.seconds=0.3", methods=["fm-ot"])
        first = learn(run, tmp_path)
        charged = checkpoints.load(tmp_path / "checkpoints", "cpu")["charged"]
        (tmp_path / "training.json").unlink()
        again = learn(run, tmp_path)
        assert checkpoints.load(tmp_path / "checkpoints", "cpu")["charged"] == charged
        assert again.steps == first.steps  # nothing was left to do
        assert again.seconds == first.seconds

    def test_a_teacher_has_half(self, tmp_path):
        (run,) = plan(*REFLOW, "budget.seconds=0.8", methods=["reflow-2"])
        own = learn(run, tmp_path)
        teacher = RunDirectory(tmp_path / "teacher").training()
        assert teacher.seconds >= 0.4
        assert own.seconds >= 0.8
        assert own.images == 16 * (own.steps + teacher.steps)

    def test_the_rate_follows_the_time_that_the_charge_left(self):
        rule, settings = pace.AfterSeconds(10.0), Train(lr=1.0, warmup=4)

        def rate(step, seconds):
            state = pace.TrainingState(step, seconds, charged=2.0)
            return pace.learning_rate(settings, step, rule.decayed(state))

        assert rate(0, 2.0) == 0.25
        assert rate(9, 2.0) == 1.0
        assert rate(9, 6.0) == pytest.approx(0.5)
        assert rate(9, 11.0) == 0.0

    def test_a_charge_beyond_the_budget_leaves_one_step(self):
        rule = pace.AfterSeconds(1.0)
        assert not rule.over(pace.TrainingState(0, 2.0, charged=2.0))
        assert rule.over(pace.TrainingState(1, 2.0, charged=2.0))
        assert rule.decayed(pace.TrainingState(0, 2.0, charged=2.0)) == 0.0

    def test_marks_and_gauge(self):
        rule = pace.AfterSeconds(10.5)
        seen = [rule.marks(pace.TrainingState(1, seconds, charged=0.5), 2) for seconds in (0.5, 5.4, 5.6, 10.4, 10.5)]
        assert seen == [0, 0, 1, 1, 2]
        assert rule.gauge(pace.TrainingState(1, 4.2)) == (4, 11)
