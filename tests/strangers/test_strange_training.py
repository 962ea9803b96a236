"""Methods that ask more of training: two times, a curriculum, two players."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fmbench import commands
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.methods.base import Player
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.registry.specs import MethodSpec, NetworkSpec
from fmbench.report.notes import notes
from fmbench.solvers.nfe import counted
from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints
from fmbench.training.session import TrainingSession, load_averaged
from tests.helpers import TINY, carry_out, numbers, tiny_plan

HERE = Path(__file__).parent
NAMES = ("mean_velocity", "curriculum", "gan")


@pytest.fixture
def plugins():
    return load_plugins([HERE / f"{name}.py" for name in NAMES], environ={})


def session_of(plugins, run, **execution):
    data = plugins.datasets.get(run.training.dataset.name).load()()
    return TrainingSession(data, plugins, Execution("cpu", **execution), Silent())


def trained(plugins, run, folder, **execution):
    session, directory = session_of(plugins, run, **execution), RunDirectory(folder)
    session.train(run.training, session.build(run.training), directory)
    return directory


def budgeted(budget, plugins):
    """A curriculum whose training ends by something else than steps."""
    others = [text for text in TINY if not text.startswith("train.steps")]
    (run,) = commands.plan(plugins, methods=["curriculum"], dataset="moons", assignments=[*others, budget])
    return run


class TestTwoTimes:
    def test_one_step_is_one_evaluation(self, plugins, tmp_path):
        asked = {"plugins": plugins, "methods": ["mean-velocity"], "dataset": "moons", "metrics": ["nfe"]}
        one, many = [
            tiny_plan(f"sampler.name={name}", *more, **asked)[0]
            for name, more in (("native", []), ("euler", ["sampler.steps=3"]))
        ]
        assert carry_out([one, many], tmp_path, plugins).complete
        records = {
            (record.protocol["sampler"]["name"], record.name): record.value
            for record in RunDirectory.of(tmp_path, one).metrics()
        }
        assert records["one-step", "nfe"] == 1
        assert records["euler", "nfe"] == 3

    def test_the_product_that_trains_it_is_the_derivative_along_the_path(self, plugins, generator):
        """A forward-mode product passes through the counter and both embeddings: against finite differences."""
        (run,) = tiny_plan(plugins=plugins, methods=["mean-velocity"], dataset="moons")
        method = session_of(plugins, run).build(run.training).double().eval()
        for parameter in method.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
        x, v = torch.randn(2, 5, 2, generator=generator, dtype=torch.float64)
        t, r = torch.rand(2, 5, generator=generator, dtype=torch.float64)

        def network(x, t):
            return method.network(t, x, r=r)

        with counted(method) as count:
            _, along = torch.func.jvp(network, (x, t), (v, torch.ones_like(t)))
        assert count.calls == 1
        h = 1e-6
        expected = (network(x + h * v, t + h) - network(x - h * v, t - h)) / (2 * h)
        torch.testing.assert_close(along, expected, rtol=1e-4, atol=1e-5)

    def test_a_network_of_one_time_is_refused_in_a_line(self, plugins):
        mlp = plugins.networks.get("mlp")
        plugins.register(NetworkSpec("plain", mlp.factory, options=mlp.options))
        (run,) = tiny_plan("network.name=plain", plugins=plugins, methods=["mean-velocity"], dataset="moons")
        with pytest.raises(FmbenchError, match="'mean-velocity' needs a network of two times"):
            session_of(plugins, run).build(run.training)


class TestCurriculum:
    def seen(self, plugins):
        module = plugins.methods.get("curriculum").load().__module__
        return __import__("sys").modules[module].SEEN

    def test_progress_is_the_share_of_the_steps_and_goes_on_after_a_stop(self, plugins, tmp_path):
        (run,) = tiny_plan(plugins=plugins, methods=["curriculum"], dataset="moons")
        seen = self.seen(plugins)
        directory = trained(plugins, run, tmp_path, checkpoint_seconds=0.0)
        assert seen[:6] == [(step, step / 6) for step in range(6)]
        sorted(directory.checkpoints.glob("*.pt"))[-1].unlink()
        (tmp_path / "training.json").unlink()
        seen.clear()
        trained(plugins, run, tmp_path)
        assert seen[0] == (5, 5 / 6)

    def test_micro_batches_of_a_step_see_the_same(self, plugins, tmp_path):
        (run,) = tiny_plan(plugins=plugins, methods=["curriculum"], dataset="moons")
        seen = self.seen(plugins)
        trained(plugins, run, tmp_path, micro_batches=2)
        assert seen[:4] == [(0, 0.0), (0, 0.0), (1, 1 / 6), (1, 1 / 6)]

    def test_progress_grows_to_one_by_the_clock(self, plugins, tmp_path):
        run = budgeted("budget.seconds=1", plugins)
        seen = self.seen(plugins)
        trained(plugins, run, tmp_path)
        shares = [share for _, share in seen[:-1]]  # the last call counts FLOPs
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert 0 < shares[-1] < 1

    def test_progress_is_that_of_the_steps_that_flops_allow(self, plugins, tmp_path):
        run = budgeted("budget.flops=2e6", plugins)
        seen = self.seen(plugins)
        steps = trained(plugins, run, tmp_path).training().steps
        assert steps > 3
        assert seen[1:-1] == [(step, step / steps) for step in range(steps)]  # the first and the last call count FLOPs


class TestPlayers:
    @pytest.fixture
    def run(self, plugins):
        return tiny_plan("train.steps=12", plugins=plugins, methods=["gan"], dataset="8gaussians")[0]

    def test_it_resumes_to_the_same_bits(self, plugins, run, tmp_path):
        directory = trained(plugins, run, tmp_path, checkpoint_seconds=0.0)
        whole, log = checkpoints.load(directory.checkpoints, "cpu"), list(read_lines(directory.train_log))
        (tmp_path / "training.json").unlink()
        sorted(directory.checkpoints.glob("*.pt"))[-1].unlink()
        assert checkpoints.load(directory.checkpoints, "cpu")["step"] == 11
        trained(plugins, run, tmp_path, checkpoint_seconds=0.0)
        resumed = checkpoints.load(directory.checkpoints, "cpu")
        assert set(whole["average"]) == {"generator"}
        assert torch.equal(whole["average"]["generator"], resumed["average"]["generator"])
        for key, value in whole["method"].items():
            assert torch.equal(value, resumed["method"][key]), key
        for name in ("critic", "generator"):
            moments = [one["optimiser"][name]["state"][0]["exp_avg_sq"] for one in (whole, resumed)]
            assert torch.equal(*moments)
        again = list(read_lines(directory.train_log))
        for key in ("loss", "loss_critic", "loss_generator"):
            assert [line[key] for line in log] == [line[key] for line in again]
        assert log[-1]["loss"] == log[-1]["loss_generator"] == directory.training().final_loss

    def test_samples_are_of_the_average_and_the_critic_is_counted_apart(self, plugins, run, tmp_path):
        directory = trained(plugins, run, tmp_path)
        summary = directory.training()
        assert summary.params == 4 * 32 + 32 + 32 * 2 + 2
        assert summary.training_only_params == 2 * 64 + 64 + 64 + 1
        fresh = session_of(plugins, run).build(run.training)
        scored = load_averaged(fresh, directory, torch.device("cpu"))
        state = checkpoints.load(directory.checkpoints, "cpu")
        weight = scored.generator.network[0].weight
        assert torch.equal(weight.flatten(), state["average"]["generator"][: weight.numel()])
        assert not torch.equal(weight, state["method"]["generator.network.0.weight"])

    def test_each_descends_its_own_loss_one_after_the_other(self, plugins, run, tmp_path):
        """The first step by hand: the critic's, then the generator's against the critic that has moved.

        Each gradient is clipped to its own norm, so small here that Adam's epsilon feels it.
        """
        asked = ["train.steps=1", "train.warmup=0", "train.clip=1e-7"]
        (one,) = tiny_plan(*asked, plugins=plugins, methods=["gan"], dataset="8gaussians")
        directory = trained(plugins, one, tmp_path)
        got = checkpoints.load(directory.checkpoints, "cpu")["method"]
        session = session_of(plugins, one)
        method = session.build(one.training)
        from fmbench.training.batches import Batches

        batch = Batches(session.dataset, 16, one.training.seed, torch.device("cpu"))[0]
        for player in method.players():
            parameters = list(player.module.parameters())
            gradients = torch.autograd.grad(player.loss(batch), parameters)
            norm = torch.cat([part.flatten() for part in gradients]).norm()
            optimiser = torch.optim.AdamW(parameters, lr=player.rate * one.training.train.lr, weight_decay=0.0)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient * min(1.0, 1e-7 / float(norm))
            optimiser.step()
        for key, value in method.state_dict().items():
            torch.testing.assert_close(got[key], value, rtol=1e-5, atol=1e-7)

    def test_a_run_is_measured_and_the_table_says_what_training_needed(self, plugins, run, tmp_path):
        outcome = carry_out([run], tmp_path, plugins)
        assert numbers(tmp_path, run)["nfe"] == 1
        (row,) = outcome.rows
        assert row.params == 226
        assert row.training_only_params == 257
        assert "gan: training needed 257 parameters besides those that samples need." in notes(outcome.rows, {})

    @pytest.mark.parametrize(
        ("players", "text"),
        [
            (
                lambda m: (Player("generator", m.generator, m.loss),),
                "critic.0.weight belongs to none of them",
            ),
            (
                lambda m: (Player("a", m, m.loss), Player("b", m.critic, m.loss)),
                "parameter critic.0.weight belongs to a and b",
            ),
            (lambda m: (Player("a", m, m.loss, scored=False),), "samples must need one of them"),
        ],
    )
    def test_parameters_without_one_owner_are_refused_in_a_line(self, plugins, run, tmp_path, players, text):
        base = plugins.methods.get("gan").load()
        kind = type("Wrong", (base,), {"players": players})
        globals()["Wrong"] = kind
        plugins.register(MethodSpec("wrong", f"{__name__}:Wrong", provides=(), likelihoods=(), native_sampler="x"))
        (asked,) = tiny_plan(plugins=plugins, methods=["wrong"], dataset="8gaussians")
        with pytest.raises(FmbenchError, match=text):
            trained(plugins, asked, tmp_path)
