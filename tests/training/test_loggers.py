from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fmbench.errors import FmbenchError
from fmbench.training import loggers


def scalars(folder, name):
    """What TensorBoard itself reads: steps and values."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]


class TestTensorBoard:
    def test_numbers_read_back(self, tmp_path):
        logger = loggers.make("tensorboard", tmp_path, "fm-ot")
        logger.log(50, {"loss": 0.5, "lr": 1e-3})
        logger.log(100, {"loss": 0.25, "lr": 1e-4})
        logger.close()
        assert scalars(tmp_path / "tensorboard", "train/loss") == [(50, 0.5), (100, 0.25)]
        assert scalars(tmp_path / "tensorboard", "train/lr") == [(50, 1e-3), (100, 1e-4)]

    def test_a_resumed_run_replaces_what_it_does_again(self, tmp_path):
        for first, steps in ((1.0, (50, 100, 150)), (2.0, (100, 150))):
            logger = loggers.make("tensorboard", tmp_path, "fm-ot")
            for step in steps:
                logger.log(step, {"loss": first})
            logger.close()
        assert scalars(tmp_path / "tensorboard", "train/loss") == [(50, 1.0), (100, 2.0), (150, 2.0)]

    def test_one_that_logged_nothing_closes(self, tmp_path):
        loggers.make("tensorboard", tmp_path, "fm-ot").close()
        assert list(tmp_path.iterdir()) == []


class FakeRun:
    def __init__(self, **asked):
        self.asked, self.lines, self.finished = asked, [], False

    def log(self, values, step):
        self.lines.append((step, values))

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    """The runs that a stand-in for wandb was asked for."""
    runs = []

    def init(**asked):
        runs.append(FakeRun(**asked))
        return runs[-1]

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    return runs


class TestWeightsAndBiases:
    def test_numbers_go_to_a_run_of_that_name(self, wandb, tmp_path):
        logger = loggers.make("wandb", tmp_path, "fm-ot on digits, seed 0")
        logger.log(50, {"loss": 0.5})
        logger.close()
        (run,) = wandb
        assert (run.asked["name"], run.asked["dir"]) == ("fm-ot on digits, seed 0", str(tmp_path))
        assert run.lines == [(50, {"train/loss": 0.5})]
        assert run.finished

    def test_a_resumed_run_is_the_same_one_and_another_directory_another(self, wandb, tmp_path):
        for folder in ("a", "a", "b"):
            loggers.make("wandb", tmp_path / folder, "fm-ot").close()
        first, again, other = (run.asked["id"] for run in wandb)
        assert first == again != other
        assert {run.asked["resume"] for run in wandb} == {"allow"}


def test_an_unknown_name(tmp_path):
    with pytest.raises(FmbenchError, match="Did you mean 'tensorboard'"):
        loggers.make("tensorbord", tmp_path, "fm-ot")


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("tensorboard", "torch.utils.tensorboard")])
def test_a_missing_package_says_what_to_install(monkeypatch, tmp_path, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(FmbenchError, match=r"logger .* cannot be had .*: pip install '\.\[loggers\]'") as caught:
        loggers.make(name, tmp_path, "fm-ot")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
