"""What of a grid is carried out, in which order, and how every end is written down."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from fmbench import commands
from fmbench.engine import base
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.provenance import command_line
from fmbench.registry.discovery import load_plugins
from fmbench.run import exits, worker
from fmbench.scheduling.dispatch import longest_first, prepare, settle, verdict
from fmbench.scheduling.monitor import GridMonitor, LiveMonitor
from fmbench.store.locks import run_lock
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory, find_runs
from fmbench.store.staleness import changes
from tests.helpers import carry_out, tiny_plan

METHOD = """
from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths

class Mine(GaussianPathMethod):
    path = paths.Linear()

@hookimpl
def fmbench_methods():
    return [MethodSpec("mine", f"{__name__}:Mine")]
"""


@pytest.fixture
def prepared(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"], metrics=["nfe"])
    directory = RunDirectory.of(tmp_path, run)
    return run, directory, prepare(directory, [run], Execution("cpu"))


def said(runs, root, plugins, **execution):
    """A grid in this process, and what it said."""
    text = io.StringIO()
    monitor = GridMonitor(Console(file=text, width=200))
    cells = commands.locate(runs, root)
    outcome = commands.carry_out(cells, plugins, results=root, execution=Execution("cpu", **execution), monitor=monitor)
    return outcome, text.getvalue()


class TestWhatIsCarriedOut:
    def test_failed_runs_wait_for_retry(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text(METHOD + "\n    raise RuntimeError\n")
        file.write_text(METHOD.replace("path = paths.Linear()", "def loss(self, batch): raise RuntimeError('x')"))
        plugins = load_plugins([file], environ={})
        runs = list(tiny_plan(plugins=plugins, methods=["mine"], metrics=["nfe"]))
        said(runs, tmp_path / "results", plugins)
        directory = RunDirectory.of(tmp_path / "results", runs[0])
        assert verdict(runs[0], directory) == "failed"
        written = directory.log.stat().st_mtime_ns
        outcome, text = said(runs, tmp_path / "results", plugins)
        assert not outcome.complete
        assert "1 ended as 'failed' before: --retry failed tries again" in text
        assert directory.log.stat().st_mtime_ns == written
        said(runs, tmp_path / "results", plugins, retry=["failed"])
        assert directory.log.stat().st_mtime_ns > written

    def test_a_run_of_other_code_is_stale_and_only_rerun_on_request(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text(METHOD)
        results, before = tmp_path / "results", load_plugins([file], environ={})
        runs = list(tiny_plan(plugins=before, methods=["mine"], metrics=["nfe"]))
        said(runs, results, before)
        directory = RunDirectory.of(results, runs[0])
        assert changes(directory, before.code) == []
        number, trained_by = directory.metrics()[0].value, directory.trained_by()
        file.write_text(METHOD.replace("Linear", "Trig"))
        after = load_plugins([file], environ={})
        assert changes(directory, after.code) == ["code of method mine"]
        outcome, text = said(runs, results, after)
        assert outcome.complete
        assert "(stale): --rerun stale trains them anew" in text
        assert directory.trained_by() == trained_by
        outcome, text = said(runs, results, after, rerun_stale=True)
        assert outcome.complete
        assert "stale" not in text
        assert directory.trained_by() not in (None, trained_by)
        # Nothing is deleted: the old run is where no table looks.
        (old,) = (results / ".replaced").rglob("metrics.jsonl")
        assert json.loads(old.read_text().splitlines()[0])["value"] == number
        assert len(list(find_runs(results))) == 1

    def test_two_evaluations_of_one_training_are_one_job(self, tmp_path):
        plan = tiny_plan(methods=["fm-ot"], metrics=["nfe"], sweep=["sampler.name=euler,heun"])
        outcome = carry_out(list(plan), tmp_path)
        assert outcome.complete
        assert len(outcome.rows) == 2
        (directory,) = find_runs(tmp_path)
        assert len(directory.job().runs) == 2
        assert {record.evaluation["sampler.name"] for record in directory.metrics()} == {"euler", "heun"}

    def test_a_run_that_another_machine_carries_out_is_left_to_it(self, prepared):
        run, directory, _ = prepared
        directory.set_status(StatusRecord(state="running", host="another-machine"))
        with run_lock(directory.path / "run.json"):
            assert verdict(run, directory) == "elsewhere"
        assert verdict(run, directory) == "to do"  # its process is gone: the kernel has freed the lock

    def test_the_longest_run_is_first_and_the_unknown_before_it(self, tmp_path):
        past, short, long = (tiny_plan(f"train.steps={steps}", methods=["fm-ot"])[0] for steps in (30, 60, 600))
        carry_out([past], tmp_path)
        (unknown,) = tiny_plan(methods=["fm-ot"], dataset="moons")
        places = {RunDirectory.of(tmp_path, run): [run] for run in (short, unknown, long)}
        order = longest_first(places, tmp_path)
        assert [places[one][0] for one in order] == [unknown, long, short]


class TestHowItEnded:
    @pytest.mark.parametrize(
        ("state", "code", "timeout", "left"),
        [
            ("done", 0, False, "done"),
            ("failed", 1, False, "failed"),
            ("queued", exits.INTERRUPTED, False, "queued"),
            ("running", exits.INTERRUPTED, False, "queued"),
            ("running", -9, False, "failed"),
            ("running", None, False, "failed"),
            ("queued", 1, False, "failed"),
            ("running", exits.BUSY, False, "running"),
            ("queued", exits.BUSY, False, "queued"),
            ("queued", exits.INTERRUPTED, True, "timeout"),
            ("running", -9, True, "timeout"),
            ("done", 0, True, "done"),
        ],
    )
    def test_the_state_that_is_left(self, prepared, state, code, timeout, left):
        _, directory, job = prepared
        directory.set_status(StatusRecord(state=state, step=4, steps=6))
        ended = base.Ended(job, code, 1.0, timeout=timeout)
        assert settle(ended).state == left
        assert directory.status().state == left
        assert directory.status().step == 4
        if left in ("failed", "timeout") and state != "failed":
            assert directory.status().reason

    def test_a_process_that_said_nothing_leaves_no_file(self, prepared):
        _, directory, job = prepared
        directory.output.write_bytes(b"")
        settle(base.Ended(job, 0, 1.0))
        assert not directory.output.exists()


class TestWorker:
    def test_without_a_directory_or_a_job_it_is_one_line(self, tmp_path, capsys):
        assert worker.main([]) == exits.REFUSED
        assert capsys.readouterr().err == "usage: python -m fmbench.run.worker RUN_DIR\n"
        assert worker.main([str(tmp_path)]) == exits.REFUSED
        assert "job.json is not there" in capsys.readouterr().err

    def test_a_run_in_use_is_not_touched(self, prepared, monkeypatch, capsys):
        _, directory, _ = prepared
        monkeypatch.setattr("fmbench.store.locks.PATIENCE", 0.1)
        with run_lock(directory.path / "run.json"):
            assert worker.main([str(directory.path)]) == exits.BUSY
        assert "another process carries out" in capsys.readouterr().err
        assert directory.status().state == "queued"


def test_an_unknown_logger_is_refused_before_anything_runs(tmp_path):
    runs = tiny_plan(methods=["fm-ot"])
    with pytest.raises(FmbenchError, match=r"unknown logger 'tensorbord'. Did you mean 'tensorboard'\?"):
        said(runs, tmp_path / "results", load_plugins(environ={}), loggers=["tensorbord"])
    assert not (tmp_path / "results").exists()


def test_an_unknown_device_is_refused():
    with pytest.raises(FmbenchError, match="--device 'gpu': choose auto, cpu or cuda"):
        Execution("gpu")


def test_what_is_asked_of_an_execution_reaches_the_process_of_the_run(tmp_path):
    """Whatever its fields are: a new one needs no other place."""
    values = {"device": "cpu", "plugins": (str(Path(__file__)),), "devices": 1, "command": command_line()}
    asked = Execution(**{**{field: changed(field) for field in Execution.__struct_fields__}, **values})
    (run,) = tiny_plan(methods=["fm-ot"])
    directory = RunDirectory.of(tmp_path, run)
    prepare(directory, [run], asked)
    assert worker.here(directory.job().execution) == asked


def changed(field):
    """Another value than the default."""
    default = getattr(Execution(), field)
    if default == "auto":
        return "cpu"
    return (
        not default
        if isinstance(default, bool)
        else ("x",)
        if default == ()
        else default + 1
        if default != "auto"
        else ""
    )


def test_a_training_is_logged_to_tensorboard_too(tmp_path):
    pytest.importorskip("tensorboard")
    (run,) = tiny_plan(methods=["fm-ot"], metrics=["nfe"])
    said([run], tmp_path, load_plugins(environ={}), loggers=["tensorboard"])
    assert any((RunDirectory.of(tmp_path, run).path / "tensorboard").iterdir())


def test_the_live_table_shows_what_runs(prepared):
    _, directory, job = prepared
    other = base.Job(RunDirectory(directory.path.with_name("seed-1")), "ddpm on digits, seed 1")
    prepare(other.directory, directory.job().runs, Execution("cpu"))
    running = {"state": "running", "slot": "gpu 1", "doing": "train", "done": 1200, "total": 2400}
    directory.set_status(StatusRecord(**running, note="loss 0.2  9,000 /s", left=75.0))
    text = io.StringIO()
    monitor = LiveMonitor(Console(file=text, width=120, force_terminal=True, highlight=False))
    with monitor.over([job, other]):
        monitor.look()
        monitor.ended(base.Ended(other, 1, 3.0), StatusRecord(state="failed", reason="[no] memory"))
    shown = text.getvalue()
    for part in ("gpu 1", "fm-ot on digits, seed 0", "1,200/2,400", "loss 0.2", "1 min 15 s", "1 running", "1 waiting"):
        assert part in shown
    assert "failed" in shown
    assert "[no] memory" in shown
