"""What other code, or other data, has made than there is now is told, and nothing is added to it unasked."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from fmbench import commands
from fmbench.cli import app
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.report.stale import stale_lines
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import find_runs
from fmbench.store.staleness import changes
from tests.helpers import TINY, tiny_plan

PLUGIN = """
import os
import numpy as np
import torch
from fmbench.api import (Dataset, DatasetSpec, GaussianPathMethod, Metric, MetricSpec, MetricValue, MethodSpec,
                         NetworkSpec, Standardise, hookimpl, paths)

class Mine(GaussianPathMethod):
    path = paths.Linear()

class Flat(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layer = torch.nn.Linear(shape[0], shape[0])

    def forward(self, t, x):
        return self.layer(x)

def load():
    train = torch.from_numpy(np.load(os.environ["LAB_DATA"]))
    return Dataset("lab", train, train[:50], Standardise((0.0, 0.0), 1.0))

class Mean(Metric):
    def measure(self, evaluation):
        return [MetricValue("mean", float(evaluation.sample_set(0).raw.mean()))]

@hookimpl
def fmbench_methods():
    return [MethodSpec("mine", f"{__name__}:Mine")]

@hookimpl
def fmbench_networks():
    return [NetworkSpec("flat", f"{__name__}:Flat")]

@hookimpl
def fmbench_datasets():
    return [DatasetSpec("lab", f"{__name__}:load")]

@hookimpl
def fmbench_metrics():
    return [MetricSpec("mean", f"{__name__}:Mean", samples=True, default=False)]
"""
POINTS = np.random.default_rng(0).normal(size=(100, 2))
LINE = "stale: mine on lab (steps=6-batch_size=16-warmup=2-name=flat), seed 0: "
SAID = [text for text in TINY if not text.startswith(("network.", "options.", "nll.", "path-energy."))]


class Lab:
    """A store with one run of a stranger's plugin, which can be edited."""

    def __init__(self, folder, monkeypatch):
        self.file, self.data, self.results = folder / "lab.py", folder / "lab.npy", folder / "results"
        monkeypatch.setenv("LAB_DATA", str(self.data))
        monkeypatch.setenv("FMBENCH_PLUGINS", str(self.file))
        np.save(self.data, POINTS)
        self.file.write_text(PLUGIN)
        self.run(metrics=["nfe"])
        (self.directory,) = find_runs(self.results)

    def edit(self, old, new):
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def run(self, metrics, **execution):
        plugins = load_plugins()
        said = [*SAID, "network.name=flat"]
        runs = commands.plan(plugins, methods=["mine"], dataset="lab", metrics=metrics, assignments=said)
        return self._carry_out(commands.locate(runs, self.results), plugins, execution)

    def eval(self, metrics, **execution):
        plugins = load_plugins()
        said = [text for text in SAID if text.startswith("sampler.")]
        cells = commands.plan_evaluation(plugins, results=self.results, metrics=metrics, assignments=said)
        return self._carry_out(cells, plugins, execution)

    def _carry_out(self, cells, plugins, execution):
        text = io.StringIO()
        monitor = GridMonitor(Console(file=text, width=400))
        outcome = commands.carry_out(
            cells, plugins, results=self.results, execution=Execution("cpu", **execution), monitor=monitor
        )
        return outcome, text.getvalue()

    def names(self):
        return {record.metric for record in self.directory.metrics()}

    def changes(self):
        return changes(self.directory, load_plugins().code)

    def lines(self, rows=()):
        return stale_lines([self.directory], rows, load_plugins().code)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    return Lab(tmp_path, monkeypatch)


class TestStaleWeights:
    @pytest.mark.parametrize("command", ["run", "eval"])
    @pytest.mark.parametrize(
        ("old", "new", "what"),
        [
            ("self.layer(x)", "2 * self.layer(x)", "code of network flat"),
            ("paths.Linear()", "paths.Trig()", "code of method mine"),
            ("train[:50]", "train[:50] + 0", "code of dataset lab"),
        ],
    )
    def test_nothing_is_measured_on_them_unless_told(self, lab, command, old, new, what):
        lab.edit(old, new)
        outcome, text = getattr(lab, command)(["nfe", "mean"])
        assert not outcome.complete
        assert lab.names() == {"nfe"}
        assert f"mine on lab, seed 0: done in 0 s: stale: the {what} changed since it was trained: `fmbench" in text
        assert text.count("--allow-stale") == 1
        assert lab.directory.status().state == "done"
        assert lab.directory.status().reason == ""
        outcome, _ = getattr(lab, command)(["nfe", "mean"], allow_stale=True)
        assert outcome.complete
        assert lab.names() == {"nfe", "mean"}
        assert lab.changes() == [what]

    def test_what_is_as_it_was_is_measured(self, lab):
        lab.edit("class Mine", "# A comment.\nclass Mine")
        outcome, text = lab.eval(["mean"])
        assert outcome.complete
        assert "stale" not in text

    def test_half_a_training_is_not_gone_on_with(self, lab):
        (lab.directory.path / "training.json").unlink()
        lab.edit("paths.Linear()", "paths.Trig()")
        lab.directory.set_status(lab.directory.status())
        outcome, text = lab.run(["mean"])
        assert not outcome.complete
        assert "failed in 0 s: stale: the code of method mine changed" in text
        assert lab.directory.training() is None
        outcome, _ = lab.run(["mean"], rerun_stale=True)
        assert outcome.complete
        assert lab.changes() == []

    def test_a_teacher_that_other_code_has_trained_is_not_taken(self, lab):
        (lab.directory.path / "training.json").unlink()
        lab.directory.checkpoints.rename(lab.directory.teacher)
        lab.edit("paths.Linear()", "paths.Trig()")
        assert "stale: the code of method mine changed" in lab.run(["mean"])[1]

    def test_runs_of_old_know_the_file_of_their_method(self, lab):
        known = lab.directory.environment()["train"]
        lab.directory.set_environment("train", {key: known[key] for key in known.keys() - {"code", "data"}})
        assert lab.changes() == []
        lab.edit("class Mine", "# A comment.\nclass Mine")
        assert lab.changes() == ["code of method mine"]


class TestStaleData:
    def test_data_inverted_in_place_is_noticed(self, lab):
        np.save(lab.data, -POINTS)
        outcome, text = lab.eval(["mean"])
        assert not outcome.complete
        assert "stale: the data of lab changed since it was trained" in text
        assert lab.names() == {"nfe"}
        assert lab.lines()[0] == f"{LINE}the data of lab changed since it was trained"
        np.save(lab.data, POINTS)
        outcome, _ = lab.eval(["mean"])
        assert outcome.complete
        assert lab.lines() == []

    def test_it_is_trained_anew_on_request(self, lab):
        np.save(lab.data, -POINTS)
        lab.eval(["mean"])
        outcome, _ = lab.run(["mean"], rerun_stale=True)
        assert outcome.complete
        assert lab.changes() == []

    def test_labels_count_and_the_last_bit_of_coordinates_does_not(self):
        import torch

        from fmbench.api import Dataset, Standardise

        points = torch.from_numpy(POINTS)
        labels = torch.zeros(100, dtype=torch.int64)
        digests = {
            Dataset("lab", train, points, Standardise((0.0, 0.0), 1.0), train_labels=given).content()
            for train, given in [(points, labels), (points * (1 + 2e-16), labels), (points, labels + 1), (points, None)]
        }
        assert len(digests) == 3


class TestStaleNumbers:
    def test_a_number_knows_the_code_that_decides_it(self, lab):
        outcome, _ = lab.eval(["mean"])
        (record,) = (record for record in lab.directory.metrics() if record.name == "mean")
        assert set(record.code) == {"method mine", "network flat", "dataset lab", "metric mean", "sampler dopri5"}
        assert lab.lines(outcome.rows) == []
        lab.edit("raw.mean()", "raw.std()")
        assert lab.lines(outcome.rows) == [
            "stale: mean of mine on lab: the code of metric mean changed since it was measured",
            "stale numbers: `fmbench eval --renew` measures them again",
        ]
        assert lab.changes() == []

    def test_those_of_images_depend_on_the_extractor(self, tmp_path):
        from fmbench.store.staleness import parts_of_number

        (run,) = tiny_plan(methods=["reflow-2"], metrics=["fid"])
        parts = parts_of_number(run, "fid", load_plugins(environ={}))
        assert {"feature extractor digits-v1", "method rectified-flow", "sampler dopri5"} <= set(parts)

    def test_the_source_of_a_method_that_is_a_dataset_counts(self):
        from fmbench.store.staleness import parts_of_training

        plugins = load_plugins(environ={})
        (run,) = tiny_plan("options.i-cfm.source=8gaussians", methods=["i-cfm"], dataset="moons")
        assert {"dataset moons", "dataset 8gaussians"} <= set(parts_of_training(run.training, plugins))


class TestOnTheCommandLine:
    def call(self, lab, *words):
        return CliRunner().invoke(app, [*words, "--results-dir", str(lab.results)], env={"COLUMNS": "400"})

    def test_every_command_says_so(self, lab):
        lab.edit("self.layer(x)", "2 * self.layer(x)")
        line = f"{LINE}the code of network flat changed since it was trained"
        assert line in self.call(lab, "status").stdout.replace("\n", " ")
        shown = self.call(lab, "table")
        assert line in shown.stderr
        assert "stale" not in shown.stdout
        said = [f"--set={text}" for text in [*SAID, "network.name=flat"]]
        assert (
            "done, stale"
            in self.call(lab, "run", "--methods=mine", "--dataset=lab", "--metrics=nfe", "--dry-run", *said).stdout
        )
        more = ["eval", "--metrics=mean", "--engine=inline", "--device=cpu", *(x for x in said if "sampler" in x)]
        refused = self.call(lab, *more)
        assert refused.exit_code == 1
        assert "the code of network flat changed" in refused.stderr
        assert self.call(lab, *more, "--allow-stale").exit_code == 0
        assert lab.names() == {"nfe", "mean"}
