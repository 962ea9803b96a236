"""fmbench eval: numbers from checkpoints, without training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from fmbench import commands
from fmbench.cli import app
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.metrics.base import MetricValue
from fmbench.registry.discovery import load_plugins
from fmbench.run.evaluate import records
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import RunDirectory
from tests.helpers import TINY, carry_out, tiny_plan

SAMPLING = [text for text in TINY if text.startswith("sampler.")]


@pytest.fixture
def store(tmp_path):
    runs = tiny_plan(methods=["fm-ot", "gaussian"], metrics=["nfe"])
    carry_out(runs, tmp_path)
    return tmp_path, runs


def measure(root, *, renew=False, assignments=(), **said):
    plugins = load_plugins(environ={})
    cells = commands.plan_evaluation(plugins, results=root, assignments=[*SAMPLING, *assignments], **said)
    monitor = GridMonitor(Console(quiet=True))
    outcome = commands.carry_out(cells, plugins, results=root, execution=Execution("cpu", renew=renew), monitor=monitor)
    return cells, outcome


def recorded(root, run):
    return RunDirectory.of(root, run).metrics()


def test_adds_what_is_missing_and_trains_nothing(store):
    root, (flow, _) = store
    before = {path: path.stat().st_mtime_ns for path in root.rglob("step-*.pt")}
    cells, outcome = measure(root, metrics=["fid", "nfe"])
    assert outcome.complete
    assert len(cells) == 2
    assert [one.training for one, _ in cells] == [run.training for run in store[1]]
    assert {"fid", "fid-floor", "fid-ratio", "nfe"} <= {record.name for record in recorded(root, flow)}
    assert {path: path.stat().st_mtime_ns for path in root.rglob("step-*.pt")} == before


def test_only_the_datasets_that_are_named(store):
    root, _ = store
    carry_out(tiny_plan(methods=["gaussian"], dataset=["moons", "8gaussians"], metrics=["nfe"]), root)

    def found(dataset):
        cells = commands.plan_evaluation(load_plugins(environ={}), results=root, dataset=dataset)
        return {one.training.dataset.name for one, _ in cells}

    assert found(["digits", "moons"]) == {"digits", "moons"}
    assert found("moons") == {"moons"}
    assert found(None) == {"digits", "moons", "8gaussians"}


def test_gives_what_run_would_have_given(store, tmp_path):
    root, _ = store
    measure(root, metrics=["fid"])
    (run,) = tiny_plan(methods=["fm-ot"], metrics=["fid"])
    carry_out([run], tmp_path / "at once")
    values = [
        {record.name: record.value for record in recorded(place, run) if record.metric == "fid"}
        for place in (root, tmp_path / "at once")
    ]
    assert values[0] == values[1]


def test_keeps_what_is_there_and_renews_when_asked(store):
    root, (flow, _) = store
    measure(root, metrics=["nfe"], methods=["fm-ot"])
    path = RunDirectory.of(root, flow).path / "metrics.jsonl"
    lines = path.read_text().count("\n")
    measure(root, metrics=["nfe"], methods=["fm-ot"])
    assert path.read_text().count("\n") == lines
    measure(root, metrics=["nfe"], methods=["fm-ot"], renew=True)
    assert path.read_text().count("\n") == 2 * lines
    assert len(recorded(root, flow)) == lines  # the later measurement stands in place of the earlier


def test_a_metric_that_failed_is_tried_again_and_its_reason_goes(store, monkeypatch):
    root, _ = store
    _, outcome = measure(root, metrics=["fid"], methods=["fm-ot"], assignments=["sampler.samples=100"])
    assert not outcome.complete
    assert any("100 images are too few for digits-v1's 64 dimensions" in row.reasons[0] for row in outcome.rows)
    monkeypatch.setattr("fmbench.metrics.features.LEAST", 1)
    _, outcome = measure(root, metrics=["fid"], methods=["fm-ot"], assignments=["sampler.samples=100"])
    assert outcome.complete
    assert outcome.rows[0].reasons == ()


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"methods": ["fm-od"]}, "Did you mean 'fm-ot'"),
        ({"metrics": ["fidd"]}, "Did you mean 'fid'"),
        ({"assignments": ["train.steps=9"]}, "unknown metric 'train'"),
        ({"methods": ["ddpm"]}, "no trained run with its checkpoints matches"),
        ({"metrics": ["w2"]}, "no trained run with its checkpoints matches"),
    ],
)
def test_what_makes_no_sense_is_one_line(store, said, text):
    with pytest.raises(FmbenchError, match=text):
        measure(store[0], **said)


def test_runs_without_checkpoints_are_left_alone(store):
    root, (flow, _) = store
    for path in RunDirectory.of(root, flow).checkpoints.iterdir():
        path.unlink()
    cells, _ = measure(root, metrics=["fid"])
    assert [one.training.method.name for one, _ in cells] == ["gaussian"]
    assert RunDirectory.of(root, flow).status().state == "done"


def test_on_the_command_line(store):
    root, _ = store
    said = [part for text in SAMPLING for part in ("--set", text)]
    answer = CliRunner().invoke(app, ["eval", "--metrics", "nfe", "--results-dir", str(root), "--device", "cpu", *said])
    assert answer.exit_code == 0, answer.output
    assert "fm-ot" in answer.output


def test_a_metric_may_give_numbers_of_any_kind(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    values = [MetricValue("nfe", torch.tensor(1.5), np.float32(0.5), n=np.int64(7)), MetricValue("nll", np.nan)]
    directory = RunDirectory(tmp_path)
    directory.add_metrics(records(run, load_plugins(environ={}).metrics.get("nfe"), values))
    number, missing = directory.metrics()
    assert (number.value, number.error, number.n) == (1.5, 0.5, 7)
    assert (missing.value, missing.reason) == (None, "is nan")


def test_a_run_of_an_absent_plugin_costs_itself_alone(store):
    root, (flow, _) = store
    strange = load_plugins(environ={})
    strange.register(replace(strange.methods.get("fm-ot"), name="theirs"), origin="their-package 1.2")
    (run,) = tiny_plan(methods=["theirs"], metrics=["nfe"], plugins=strange)
    carry_out([run], root, strange)
    told = []
    cells, outcome = measure(root, metrics=["fid"], tell=told.append)
    assert outcome.complete
    assert [one.training.method.name for one, _ in cells] == ["fm-ot", "gaussian"]
    (line,) = told
    assert "method 'theirs' is not there" in line
    assert "their-package 1.2" in line
    assert recorded(root, flow)
