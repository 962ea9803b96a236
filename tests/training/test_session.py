"""What happens before the first step: preparation, teachers, methods that are fitted and not descended."""

from __future__ import annotations

import pytest
import torch

from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory, find_runs
from fmbench.training import checkpoints
from fmbench.training.session import Execution, TrainingSession
from tests.helpers import carry_out, numbers, tiny_plan

REFLOW = ("options.reflow-2.pairs=40", "options.reflow-2.solver_steps=2")
QUICK = {"reflow-2": REFLOW, "ddpm": ("options.ddpm.timesteps=20",)}


def test_a_fitted_method_takes_no_steps(tmp_path):
    (run,) = tiny_plan(methods=["gaussian"])
    assert carry_out([run], tmp_path).complete
    summary = RunDirectory.of(tmp_path, run).training()
    assert (summary.params, summary.images, summary.final_loss) == (0, 1437, None)
    assert {"nll", "fid", "fid-floor", "nfe"} <= set(numbers(tmp_path, run))
    assert numbers(tmp_path, run)["nfe"] == 0


class TestTeacher:
    def test_it_is_trained_first_and_charged(self, tmp_path):
        (run,) = tiny_plan(*REFLOW, methods=["reflow-2"])
        assert carry_out([run], tmp_path).complete
        directory = RunDirectory.of(tmp_path, run)
        teacher = RunDirectory(directory.path / "teacher").training()
        own = directory.training()
        assert teacher.images == 6 * 16
        assert own.images == 2 * 6 * 16
        assert own.seconds > teacher.seconds
        assert [found.path for found in find_runs(tmp_path)] == [directory.path]  # the teacher is no row

    def test_it_is_the_rectified_flow_of_the_same_request(self, tmp_path):
        runs = tiny_plan(*REFLOW, methods=["rectified-flow", "reflow-2"])
        assert carry_out(runs, tmp_path).complete
        alone, reflow = (RunDirectory.of(tmp_path, run) for run in runs)
        weights = [
            torch.load(sorted(place.glob("checkpoints/*.pt"))[-1], weights_only=True)["average"]["method"]
            for place in (alone.path, reflow.path / "teacher")
        ]
        assert torch.equal(*weights)

    def test_pairs_are_what_the_teacher_makes_of_its_noise(self):
        from fmbench_plugins.rectified_flow import RectifiedFlow, Reflow

        from fmbench.methods.base import Batch, Preparation, Task
        from fmbench.networks.mlp import ResidualMLP
        from fmbench.request.schema import Sampler

        torch.manual_seed(0)
        task = Task((2,), 1.0, lambda s: ResidualMLP(s, width=8, depth=1, time_width=4))
        teacher, method = RectifiedFlow(task).eval(), Reflow(task, pairs=30, solver_steps=4)
        method.prepare(Preparation(torch.zeros(5, 2), torch.Generator().manual_seed(0), 5, teacher))
        x0, x1 = method.pairs(Batch(torch.zeros(12, 2), None, torch.Generator().manual_seed(1)))
        expected = teacher.carry(x0.double(), Sampler(name="heun", steps=4), torch.Generator())
        torch.testing.assert_close(x1, expected.float(), rtol=1e-4, atol=1e-5)

    def test_reflow_refuses_another_teacher(self):
        from fmbench_plugins.rectified_flow import Reflow

        from fmbench.methods.base import Preparation, Task
        from fmbench.networks.mlp import ResidualMLP

        task = Task((2,), 1.0, lambda s: ResidualMLP(s, width=8, depth=1, time_width=4))
        with pytest.raises(TypeError, match="needs a rectified flow"):
            Reflow(task, pairs=3, solver_steps=1).prepare(Preparation(torch.zeros(5, 2), torch.Generator(), 5))


def test_a_conditional_model_is_trained_and_guided(tmp_path):
    plain = tiny_plan("train.conditional=true", methods=["fm-ot"])
    guided = tiny_plan("train.conditional=true", "sampler.guidance=2", "sampler.name=euler", methods=["fm-ot"])
    assert carry_out(plain, tmp_path).complete
    assert carry_out(guided, tmp_path).complete
    directory = RunDirectory.of(tmp_path, guided[0])
    nfe = [one for one in directory.metrics() if one.name == "nfe" and one.evaluation.get("sampler.guidance")]
    assert [one.value for one in nfe] == [200]  # two calls in each of the 100 steps


NAMES = sorted(spec.name for spec in load_plugins(environ={}).methods)


LEARNING = [name for name in NAMES if name not in {"gaussian", "gmm", "copycat", "nearest", "bicubic"}]


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_resumes_to_the_same_weights_bit_for_bit(tmp_path, name):
    """From its last checkpoint but one, prepared a second time."""
    plugins = load_plugins(environ={})
    data = "digits" if "image" in plugins.methods.get(name).kinds else "digits-sr"
    (run,) = tiny_plan(*QUICK.get(name, ()), methods=[name], dataset=data)
    dataset = plugins.datasets.get(data).load()(**run.training.dataset.options)
    session = TrainingSession(dataset, plugins, Execution("cpu", checkpoint_seconds=0.0), Silent())
    directory = RunDirectory(tmp_path)

    def weights():
        session.train(run.training, session.build(run.training), directory)
        return checkpoints.load(directory.checkpoints, "cpu")

    whole = weights()
    (tmp_path / "training.json").unlink()
    sorted(directory.checkpoints.glob("*.pt"))[-1].unlink()
    assert checkpoints.load(directory.checkpoints, "cpu")["step"] == 5
    resumed = weights()
    assert torch.equal(whole["average"]["method"], resumed["average"]["method"])
    for key, value in whole["method"].items():
        assert torch.equal(value, resumed["method"][key]), key


@pytest.mark.parametrize("name", NAMES)
def test_every_method_runs_end_to_end(tmp_path, name):
    """Train, evaluate, store; all kinds of data."""
    spec = load_plugins(environ={}).methods.get(name)
    for dataset, kind in (("digits", "image"), ("8gaussians", "vector"), ("digits-sr", "pair")):
        if kind not in spec.kinds:
            continue
        runs = tiny_plan(*QUICK.get(name, ()), methods=[name], dataset=dataset)
        outcome = carry_out(runs, tmp_path)
        assert outcome.complete, RunDirectory.of(tmp_path, runs[0]).status().reason
