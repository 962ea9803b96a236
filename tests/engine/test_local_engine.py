"""Runs as processes on one machine: whatever happens to one is its row, and the others go on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from fmbench import commands
from fmbench.engine import base
from fmbench.engine.forkserver import warm_up
from fmbench.engine.local import Local, Slot, choose, slots_of
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.registry.specs import Spec
from fmbench.run import exits
from fmbench.scheduling.dispatch import prepare
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, numbers, tiny_plan

FAULTY = Path(__file__).with_name("faulty.py")
PLUGINS = load_plugins([FAULTY], environ={})


def run_on(engine, runs, root, monitor=None, **execution):
    return commands.carry_out(
        commands.locate(runs, root),
        PLUGINS,
        results=root,
        engine=engine,
        execution=Execution("cpu", plugins=[FAULTY], **execution),
        monitor=monitor or GridMonitor(Console(quiet=True)),
    )


def lives(pid):
    """Whether a process is there and not merely waiting for its parent to take note of its death."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_fault_is_a_row_with_its_reason_and_the_rest_goes_on(tmp_path, monkeypatch):
    methods = ["segfault", "killed", "raises", "diverges", "fm-ot"]
    runs = tiny_plan("train.steps=2", plugins=PLUGINS, methods=methods, metrics=["nfe"])
    outcome = run_on(Local(slots_of(2, None, 1), plugins=[FAULTY]), runs, tmp_path)
    assert not outcome.complete
    ends = {row.label: (row.status, "; ".join(row.reasons)) for row in outcome.rows}
    assert ends["segfault"] == ("failed", "its process was killed by SIGSEGV")
    assert ends["killed"] == (
        "failed",
        "its process was killed by SIGKILL, perhaps by the system for want of memory",
    )
    assert ends["raises"] == ("failed", "RuntimeError: a shape that does not fit (see log.txt)")
    assert ends["diverges"] == ("failed", "loss is nan at step 1")
    assert ends["fm-ot"] == ("done", "")


def test_a_run_that_hangs_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    """Its time is up when it hangs, however long the machine took to get there."""
    pids = tmp_path / "pids"
    monkeypatch.setenv("FMBENCH_TEST_PIDS", str(pids))
    monkeypatch.setattr("fmbench.engine.local.GRACE", 1.0)
    runs = tiny_plan("train.steps=2", plugins=PLUGINS, methods=["hangs"], metrics=["nfe"])
    engine = Local(slots_of(1, None, 1), plugins=[FAULTY], timeout=3600)

    class Impatient(GridMonitor):
        def look(self):
            if pids.exists() and pids.read_text().strip():
                for running in engine._running.values():
                    running.deadline = running.deadline if running.overdue else 0.0

    outcome = run_on(engine, runs, tmp_path, Impatient(Console(quiet=True)))
    (row,) = outcome.rows
    assert (row.status, row.reasons) == ("timeout", ("took longer than --timeout allows",))
    (child,) = map(int, pids.read_text().split())
    patience = time.monotonic() + 600
    while lives(child):  # its signal is on the way
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_a_process_gives_the_numbers_of_this_one_and_slots_do_not_matter(tmp_path):
    runs = tiny_plan(plugins=PLUGINS, methods=["fm-ot", "ddpm"], metrics=["nfe", "fid"])
    assert run_on(Local(slots_of(2, None, 1)), runs, tmp_path / "processes").complete
    assert carry_out(runs, tmp_path / "here").complete
    for run in runs:
        assert numbers(tmp_path / "processes", run) == numbers(tmp_path / "here", run)
        directory = RunDirectory.of(tmp_path / "processes", run)
        assert not directory.output.exists()  # it had nothing to say


def test_a_run_on_two_devices_is_two_processes_and_the_same_numbers(tmp_path):
    (one,) = tiny_plan(plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    (two,) = tiny_plan("train.devices=2", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    assert two.training.id == one.training.id
    assert run_on(Local(slots_of(2, None, 1)), [two], tmp_path / "two").complete
    assert carry_out([one], tmp_path / "one").complete
    shared, alone = (RunDirectory.of(tmp_path / name, one).training() for name in ("two", "one"))
    assert (shared.devices, alone.devices) == (2, 1)
    assert shared.final_loss == pytest.approx(alone.final_loss, abs=1e-5)


def test_a_server_that_dies_fails_what_ran_and_another_carries_on(tmp_path):
    runs = tiny_plan("train.steps=2", plugins=PLUGINS, methods=["slow", "fm-ot"], metrics=["nfe"])
    engine = Local(slots_of(1, None, 1), plugins=[FAULTY])

    class Assassin(GridMonitor):
        done = False

        def look(self):
            if not self.done and any(job.directory.status().state == "running" for job in self._left):
                self.done = True
                engine._server._process.kill()

    monitor = Assassin(Console(quiet=True))
    cells = commands.locate(runs, tmp_path)
    execution = Execution("cpu", plugins=[FAULTY])
    outcome = commands.carry_out(cells, PLUGINS, results=tmp_path, engine=engine, execution=execution, monitor=monitor)
    states = {row.label: row.status for row in outcome.rows}
    assert states["fm-ot"] == "done"
    # Killed with its server, or stopped by it in time: it is not done, and says so.
    assert states["slow"] in ("failed", "queued")


def test_what_runs_share_is_imported_before_they_are_forked_but_no_code_of_strangers(tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(Spec, "load", lambda spec: loaded.append(spec.name))
    for run in tiny_plan(plugins=PLUGINS, methods=["fm-ot", "slow"], metrics=["nfe"]):
        directory = RunDirectory.of(tmp_path, run)
        prepare(directory, [run], Execution("cpu"))
        warm_up(directory, PLUGINS)
    assert loaded == ["digits", "fm-ot", "mlp", "nfe", "digits", "mlp", "nfe"]
    directory.set_job(structs.replace(directory.job(), runs=(misnamed(run),)))
    warm_up(directory, PLUGINS)  # the child will say so


def misnamed(run):
    dataset = run.training.dataset.model_copy(update={"name": "absent"})
    return run.model_copy(update={"training": run.training.model_copy(update={"dataset": dataset})})


def test_workers_that_cannot_start_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is not here')")
    (run,) = tiny_plan(methods=["fm-ot"])
    with pytest.raises(FmbenchError, match="no worker process can be started: ImportError: libtorch is not here"):
        run_on(Local(slots_of(1, None, 1)), [run], tmp_path / "results")


def test_slots():
    assert [slot.name for slot in slots_of(2, None, 1)] == ["0", "1"]
    assert [slot.gpu for slot in slots_of(1, "0,1", 2)] == ["0", "1", "0", "1"]
    for said in ((1, None, 2), (2, "0", 1), (1, "", 1), (1, "0,,1", 1)):
        with pytest.raises(FmbenchError, match=r"--gpus|--per-gpu"):
            slots_of(*said)


def test_a_run_on_several_gpus_gets_each_once():
    free = [Slot("gpu 0", "0"), Slot("gpu 0", "0"), Slot("gpu 1", "1")]
    assert [slot.gpu for slot in choose(free, 2)] == ["0", "1"]
    assert choose(free, 3) is None
    assert Local(free).room == 2


@pytest.mark.parametrize(("engine", "room"), [(Local(slots_of(2, None, 1)), 2), (None, 1)])
def test_a_run_on_more_devices_than_there_are_is_refused_before_anything_is_written(tmp_path, engine, room):
    (run,) = tiny_plan("train.devices=3", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    with pytest.raises(FmbenchError, match=f"train.devices = 3, and there is room for {room}: name more GPUs"):
        run_on(engine, [run], tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_run_knows_its_share_of_the_cores_and_the_command_that_asked_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/fmbench", "run", "--methods", "fm-ot", "--jobs", "2"])
    (run,) = tiny_plan(plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    assert run_on(Local(slots_of(2, None, 1)), [run], tmp_path).complete
    environment = RunDirectory.of(tmp_path, run).environment()
    cores = int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0)) // 2))
    for half in ("train", "evaluate"):
        assert environment[half]["threads"] == cores
        assert environment[half]["command"] == ["fmbench", "run", "--methods", "fm-ot", "--jobs", "2"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (None, "its process was lost: word"),
        (3, "its process ended with exit status 3: word"),
        (-9, "its process was killed by SIGKILL, perhaps by the system for want of memory: word"),
        (exits.REFUSED, "word"),
    ],
)
def test_a_cause_in_words(code, told):
    job = base.Job(RunDirectory(Path("x")), "x")
    assert base.Ended(job, code, 1.0, output="word").cause == told
