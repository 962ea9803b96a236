from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from fmbench.api import MethodSpec
from fmbench.data.digits import digits
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.request.schema import Train
from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, pace
from fmbench.training.batches import Batches
from tests.helpers import TINY, carry_out, numbers, tiny_plan

PATIENCE = 600  # seconds: it ends a test that hangs, however slow the machine is


def rate(settings, step):
    rule = pace.AfterSteps(settings.steps, settings.warmup)
    return pace.learning_rate(settings, step, rule.decayed(pace.TrainingState(step)))


class TestSchedules:
    def test_warm_up_then_cosine_to_zero(self):
        settings = Train(steps=110, warmup=10, lr=1.0)
        rates = [rate(settings, step) for step in range(110)]
        assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
        assert rates[10] == 1.0
        assert rates[60] == pytest.approx(0.5)
        assert rates == [*rates[:10], *sorted(rates[10:], reverse=True)]
        assert rates[-1] < 1e-3

    def test_the_other_decays(self):
        linear, constant = (Train(steps=100, warmup=0, lr=1.0, decay=name) for name in ("linear", "constant"))
        assert rate(linear, 25) == 0.75
        assert rate(constant, 99) == 1.0

    def test_averaging_warms_up(self):
        settings = Train(ema=0.999)
        assert pace.ema_decay(settings, 0) == 0.1
        assert pace.ema_decay(settings, 90) == 0.91
        assert pace.ema_decay(settings, 10**6) == 0.999

    def test_marks_lie_evenly_and_the_last_at_the_end(self):
        rule = pace.AfterSteps(10, 0)
        assert [rule.marks(pace.TrainingState(step), 3) for step in range(11)] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3]


class TestBatches:
    def test_an_epoch_sees_every_point_once_and_batches_may_span_two(self):
        dataset = digits()
        batches = Batches(dataset, 100, seed=0, device=torch.device("cpu"))
        seen = torch.cat([batches._indices(step) for step in range(30)])
        assert torch.equal(seen[:1437].sort().values, torch.arange(1437))
        assert torch.equal(seen[1437:2874].sort().values, torch.arange(1437))
        assert not torch.equal(seen[:1437], seen[1437:2874])

    def test_a_batch_is_a_function_of_seed_and_step(self):
        dataset = digits()
        a, b, c = (Batches(dataset, 32, seed=s, device=torch.device("cpu")) for s in (0, 0, 1))
        for _ in range(3):
            a[0]  # an earlier use changes nothing
        assert torch.equal(a[7].x, b[7].x)
        assert torch.equal(a[7].labels, b[7].labels)
        assert not torch.equal(a[7].x, c[7].x)

    def test_a_batch_larger_than_the_data(self):
        batches = Batches(digits(), 4000, seed=0, device=torch.device("cpu"))
        assert batches[1].x.shape == (4000, 1, 8, 8)

    def test_labels_stay_with_their_images(self):
        dataset = digits()
        batch = Batches(dataset, 64, seed=0, device=torch.device("cpu"))[3]
        decoded = dataset.transform.decode(batch.x)
        for image, label in zip(decoded, batch.labels, strict=True):
            match = (dataset.train == image).flatten(1).all(1)
            assert label in dataset.train_labels[match]


class TestCheckpoints:
    def test_the_last_two_are_kept_and_a_damaged_one_passed_over(self, tmp_path):
        for step in (1, 2, 3):
            checkpoints.save(tmp_path, step, {"x": torch.tensor(step)})
        assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000002.pt", "step-000000003.pt"]
        assert checkpoints.load(tmp_path, "cpu")["step"] == 3
        newest = tmp_path / "step-000000003.pt"
        newest.write_bytes(newest.read_bytes()[:200])
        assert checkpoints.load(tmp_path, "cpu")["step"] == 2

    def test_what_cannot_be_read_for_another_reason_is_not_called_damaged(self, tmp_path, monkeypatch):
        checkpoints.save(tmp_path, 1, {"a": torch.ones(3)})

        def full(*_, **__):
            raise torch.OutOfMemoryError("no room on the device")

        monkeypatch.setattr(torch, "load", full)
        with pytest.raises(torch.OutOfMemoryError):
            checkpoints.load(tmp_path, "cpu")

    def test_none_and_all_damaged(self, tmp_path):
        assert checkpoints.load(tmp_path, "cpu") is None
        (tmp_path / "step-000000001.pt").write_bytes(b"torn")
        with pytest.raises(FmbenchError, match=r"every checkpoint in .* is damaged"):
            checkpoints.load(tmp_path, "cpu")


def test_a_run_writes_down_what_it_did(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    assert carry_out([run], tmp_path).complete
    directory = RunDirectory.of(tmp_path, run)
    assert directory.request() == run.training
    assert directory.status().state == "done"
    summary = directory.training()
    assert summary.images == 6 * 16
    assert summary.seconds > 0
    assert summary.peak_memory_bytes > 1e7
    lines = list(read_lines(directory.train_log))
    assert lines[-1]["step"] == 6
    environment = json.loads((directory.path / "env.json").read_text())
    for half in ("train", "evaluate"):
        assert environment[half]["plugin"]["source_sha256"]
        assert environment[half]["packages"]["torch"] == torch.__version__.split("+")[0]
    assert directory.samples_by("dopri5", 0, run.evaluation_overrides).exists()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tmp_path):
    a, b = tiny_plan(methods=["fm-ot"], seeds=[0, 1])
    carry_out([a, b], tmp_path / "one")
    carry_out([a], tmp_path / "two")
    assert numbers(tmp_path / "one", a) == numbers(tmp_path / "two", a)
    assert numbers(tmp_path / "one", a) != numbers(tmp_path / "one", b)


def test_every_method_meets_the_same_data_and_noise(tmp_path):
    """Common random numbers: a method that differs in its name alone gets the very same numbers."""
    plugins = load_plugins(environ={})
    spec = plugins.methods.get("fm-ot")
    plugins.register(MethodSpec("twin", spec.factory, options=spec.options))
    a, b = tiny_plan(plugins=plugins, methods=["fm-ot", "twin"])
    carry_out([a, b], tmp_path, plugins)
    assert numbers(tmp_path, a) == numbers(tmp_path, b)


def start(root):
    """The command line in a process of its own, a checkpoint after every step."""
    arguments = [f"--set={text}" for text in (*TINY, "train.steps=200")]
    run = [sys.executable, "-m", "fmbench", "run", "--methods", "fm-ot", "--results-dir", str(root)]
    with (root / "errors.txt").open("w") as errors:
        return subprocess.Popen(
            [*run, "--checkpoint-every", "0.001", *arguments], stdout=subprocess.DEVNULL, stderr=errors
        )


def finish(root):
    """Run to the end."""
    assert start(root).wait(PATIENCE) == 0, (root / "errors.txt").read_text()


def await_step(root, step):
    """Until a checkpoint at or beyond that step stands on disk."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        steps = [int(path.stem.partition("-")[2]) for path in root.glob("digits/fm-ot/*/*/checkpoints/step-*.pt")]
        if steps and max(steps) >= step:
            return
        time.sleep(0.01)
    raise TimeoutError


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    finish(root)
    (run,) = tiny_plan("train.steps=200", methods=["fm-ot"])
    return run, root


def same_result(run, a, b):
    first, second = RunDirectory.of(a, run), RunDirectory.of(b, run)
    x, y = (checkpoints.load(one.checkpoints, "cpu") for one in (first, second))
    assert torch.equal(x["average"]["method"], y["average"]["method"])
    assert numbers(a, run) == numbers(b, run)
    assert first.training().final_loss == second.training().final_loss
    steps = [[line["step"] for line in read_lines(one.train_log)] for one in (first, second)]
    assert steps[0] == steps[1]


def test_killed_in_training_and_in_evaluation_it_gives_the_same_numbers_bit_for_bit(uninterrupted, tmp_path):
    run, whole = uninterrupted
    directory = RunDirectory.of(tmp_path, run)
    process = start(tmp_path)
    await_step(tmp_path, 60)
    kill(process)
    assert directory.training() is None
    process = start(tmp_path)
    metrics, deadline = directory.path / "metrics.jsonl", time.monotonic() + PATIENCE
    while not metrics.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    kill(process)
    assert metrics.exists()
    finish(tmp_path)
    same_result(run, whole, tmp_path)


def kill(process):
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE) == -signal.SIGKILL


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_resumes(uninterrupted, tmp_path):
    run, whole = uninterrupted
    process = start(tmp_path)
    await_step(tmp_path, 25)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    message = (tmp_path / "errors.txt").read_text()
    assert "the same command goes on" in message
    assert "Traceback" not in message
    status = RunDirectory.of(tmp_path, run).status()
    assert status.state == "queued"
    assert "checkpoint at step" in status.reason
    finish(tmp_path)
    same_result(run, whole, tmp_path)
