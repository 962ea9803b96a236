"""Several devices and micro-batches: the same global batch, the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, loop
from fmbench.training.devices import Team, rank, shares
from fmbench.training.session import TrainingSession
from tests.helpers import tiny_plan
from tests.training import two_processes
from tests.training.two_processes import RUNS, learn, plugins


@pytest.fixture(autouse=True)
def a_line_a_step(monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder that two processes filled."""
    folder = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = subprocess.run(
        [*command, "-m", "tests.training.two_processes", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return folder


def losses(folder):
    return [line["loss"] for line in read_lines(folder / "train.jsonl")]


def weights(folder):
    return checkpoints.load(folder / "checkpoints", "cpu")["average"]["method"]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_the_loss_curve_of_one(together, tmp_path, name):
    learn(tmp_path, 1, *RUNS[name])
    alone = losses(tmp_path)
    assert len(alone) == 8
    assert losses(together / name) == pytest.approx(alone, rel=1e-5, abs=1e-5)
    torch.testing.assert_close(weights(together / name), weights(tmp_path), rtol=1e-4, atol=1e-5)
    one, two = RunDirectory(tmp_path).training(), RunDirectory(together / name).training()
    assert (one.devices, two.devices) == (1, 2)
    assert two.images == one.images
    assert two.flops == pytest.approx(one.flops, rel=1e-6)


def test_a_method_that_is_fitted_is_there_for_both_when_it_is_done(together):
    assert [json.loads((together / f"said-{process}.json").read_text())["fitted"] for process in range(2)] == [True] * 2


class TestOneProcessGoesWrong:
    @pytest.fixture
    def said(self, together):
        return [json.loads((together / f"said-{process}.json").read_text()) for process in range(2)]

    def test_a_loss_that_is_not_finite_ends_both(self, said):
        assert [one["nan"] for one in said] == ["DivergedError: loss is nan at step 4"] * 2

    def test_an_error_ends_both_and_the_leader_knows_it(self, said):
        assert said[1]["wrong"] == "ValueError: a fault of one process"
        assert said[0]["wrong"] == "RuntimeError: on another device: ValueError: a fault of one process"

    def test_a_signal_stops_both_after_the_same_step(self, said, together):
        assert [one["stop"] for one in said] == ["Interrupted: interrupted; checkpoint at step 4"] * 2
        assert (together / "stop" / "checkpoints" / "step-000000004.pt").exists()

    def test_both_go_on_from_there(self, together):
        assert RunDirectory(together / "stop").training().steps == 8
        assert losses(together / "stop") == pytest.approx(losses(together / "memory"), rel=1e-5)
        torch.testing.assert_close(weights(together / "stop"), weights(together / "memory"), rtol=1e-4, atol=1e-5)

    def test_too_little_memory_makes_both_take_smaller_parts(self, said, together):
        assert all("memory" not in one for one in said)
        assert RunDirectory(together / "memory").training().micro_batches == 2
        assert len(losses(together / "memory")) == 8


@pytest.mark.parametrize("name", ["fm-ot", "ot-cfm", "realnvp", "cnf", "anode"])
def test_micro_batches_change_no_number(tmp_path, name):
    asked = (*RUNS.get(name, (name,)), *((f"options.{name}.solver=midpoint",) if name in {"cnf", "anode"} else ()))
    found = {}
    for parts in (1, 2, 4):
        folder = tmp_path / str(parts)
        loaded = plugins()
        (run,) = tiny_plan("train.steps=4", *asked[1:], plugins=loaded, methods=[asked[0]])
        session = TrainingSession(
            loaded.datasets.get("digits").load()(), loaded, Execution("cpu", micro_batches=parts), Silent()
        )
        session.train(run.training, session.build(run.training), RunDirectory(folder))
        found[parts] = folder
    for parts in (2, 4):
        assert losses(found[parts]) == pytest.approx(losses(found[1]), rel=1e-5, abs=1e-5)
        torch.testing.assert_close(weights(found[parts]), weights(found[1]), rtol=1e-4, atol=1e-5)
        assert RunDirectory(found[parts]).training().micro_batches == parts


def test_a_part_runs_the_network_on_its_rows_alone(tmp_path):
    loaded = plugins()
    (run,) = tiny_plan("train.steps=1", plugins=loaded, methods=["fm-ot"])
    digits = loaded.datasets.get("digits").load()()
    session = TrainingSession(digits, loaded, Execution("cpu", micro_batches=4), Silent())
    method = session.build(run.training)
    sizes = []
    method.network.register_forward_hook(lambda *call: sizes.append(len(call[2])))
    session.train(run.training, method, RunDirectory(tmp_path))
    assert sizes[:4] == [4] * 4


class TestTooLittleMemory:
    @pytest.fixture
    def attempt(self, tmp_path, monkeypatch):
        monkeypatch.setattr(two_processes.Faulty, "calls", 0)
        monkeypatch.setenv("RANK", "1")  # the one that goes wrong

        def attempt(fault, *assignments, **more):
            learn(tmp_path, 1, "faulty", f"options.faulty.fault={fault}", *assignments, **more)
            return RunDirectory(tmp_path)

        return attempt

    @pytest.mark.parametrize("checkpoint_seconds", [30.0, 0.0])
    def test_it_goes_on_in_parts_of_half_the_size(self, attempt, tmp_path, checkpoint_seconds):
        """From the last checkpoint or, where there is none yet, from the beginning."""
        directory = attempt("memory", checkpoint_seconds=checkpoint_seconds)
        assert directory.training().micro_batches == 2
        learn(tmp_path / "well", 1, "faulty")
        assert losses(directory.path) == pytest.approx(losses(tmp_path / "well"), rel=1e-5)
        torch.testing.assert_close(weights(directory.path), weights(tmp_path / "well"), rtol=1e-4, atol=1e-5)

    def test_it_is_tried_once_more_and_not_twice(self, attempt, tmp_path):
        with pytest.raises(torch.OutOfMemoryError, match="too large"):
            attempt("hopeless")
        assert RunDirectory(tmp_path).training() is None

    def test_a_batch_that_cannot_be_halved_is_not_tried_again(self, attempt):
        with pytest.raises(torch.OutOfMemoryError, match="too large"):
            attempt("memory", "train.batch_size=15")


class TestRefusals:
    def test_a_batch_that_cannot_be_shared(self):
        team = Team(1)
        assert shares(12, team, 3) == [slice(0, 4), slice(4, 8), slice(8, 12)]
        with pytest.raises(FmbenchError, match=r"train.batch_size = 10: must be a multiple of 4"):
            shares(10, team, 4)

    def test_a_method_that_needs_its_whole_batch(self, tmp_path):
        loaded = plugins()
        (run,) = tiny_plan(plugins=loaded, methods=["i-resnet"])
        session = TrainingSession(
            loaded.datasets.get("digits").load()(), loaded, Execution("cpu", micro_batches=2), Silent()
        )
        with pytest.raises(FmbenchError, match="InvertibleResNet computes its whole batch at once"):
            session.train(run.training, session.build(run.training), RunDirectory(tmp_path))

    def test_devices_that_nobody_started(self, monkeypatch):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        with pytest.raises(
            FmbenchError, match=r"train.devices = 2, but processes started: 1; start them with torchrun"
        ):
            rank(2)
        assert rank(1) == 0
