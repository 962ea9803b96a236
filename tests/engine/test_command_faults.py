"""`fmbench run` where something around it goes wrong: a line that says what, and nothing lost."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from fmbench import commands
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.run import evaluate, reporter
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store import locks
from fmbench.store.locks import BusyError, store_lock
from fmbench.store.run import RunDirectory, find_runs
from tests.helpers import TINY, carry_out, numbers, tiny_plan

FAULTY = Path(__file__).with_name("faulty.py")
PLUGINS = load_plugins([FAULTY], environ={})
HOLD = """
    import sys, time
    from pathlib import Path
    from fmbench.store import locks
    with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
        print("held", flush=True)
        time.sleep(600)
"""


class Backwards(datetime):
    """A clock that is a day earlier at every look."""

    days = itertools.count()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=next(cls.days))


def command(root, *more, methods="fm-ot", steps=6):
    settings = [f"--set={text}" for text in (*TINY, f"train.steps={steps}")]
    asked = ["--methods", methods, "--metrics", "nfe", "--device", "cpu", "--results-dir", root, *settings, *more]
    return [sys.executable, "-m", "fmbench", "run", *map(str, asked)]


def fmbench(root, *more, environ=None, **asked):
    """The command in a process of its own: (exit status, what it said)."""
    environment = {**os.environ, "COLUMNS": "200", **(environ or {})}
    done = subprocess.run(command(root, *more, **asked), capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stderr


def everything(root):
    """Every file of the runs of a store."""
    return {path: path.read_bytes() for run in find_runs(root) for path in run.path.rglob("*") if path.is_file()}


@pytest.fixture
def hold():
    """Another process that holds a lock until it is killed."""
    started = []

    def start(kind, path):
        script = [sys.executable, "-c", textwrap.dedent(HOLD), kind, str(path)]
        started.append(subprocess.Popen(script, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"held\n"
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


class TestLocks:
    def test_a_second_scheduler_is_told_of_the_first(self, hold, tmp_path):
        first = hold("store_lock", tmp_path)
        code, said = fmbench(tmp_path)
        assert code == 2
        (line,) = said.splitlines()
        assert (
            f"{tmp_path} is in use by '-c store_lock {tmp_path}' (process {first.pid} on {os.uname().nodename}" in line
        )
        assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]

    def test_the_lock_of_a_dead_scheduler_is_none(self, hold, tmp_path):
        first = hold("store_lock", tmp_path)
        with pytest.raises(BusyError), store_lock(tmp_path):
            pass
        first.kill()
        first.wait()
        assert (tmp_path / ".lock").read_text()
        assert carry_out(tiny_plan(methods=["fm-ot"], metrics=["nfe"]), tmp_path).complete

    def test_a_run_that_another_process_works_on_is_left_to_it(self, hold, tmp_path, monkeypatch):
        run, other = tiny_plan(methods=["fm-ot"], metrics=["nfe"], seeds=[0, 1])
        directory = RunDirectory.of(tmp_path, run)
        directory.create(run)
        holder = hold("run_lock", directory.path / "run.json")
        monkeypatch.setattr("fmbench.store.locks.PATIENCE", 0.1)
        assert not carry_out([run, other], tmp_path).complete
        assert [path.status().state for path in find_runs(tmp_path)] == ["queued", "done"]
        assert not directory.train_log.exists()
        holder.kill()
        holder.wait()
        assert carry_out([run, other], tmp_path).complete


def started(root, *more, steps_done=0, **asked):
    """The command, once a run of it trains and has done so many steps."""
    process = subprocess.Popen(
        command(root, "--plugin", FAULTY, *more, **asked), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not any(now.doing == "train" and now.done >= steps_done for now in (run.status() for run in find_runs(root))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


class TestCtrlC:
    def test_every_run_is_left_queued_with_its_checkpoint(self, tmp_path):
        process = started(tmp_path, "--seeds", "2", methods="slow", steps=600, steps_done=1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
        assert process.returncode == 130
        assert "stopping: every run writes a checkpoint; Ctrl-C again kills them" in said
        assert "interrupted: what was done is kept; the same command goes on from there" in said
        assert "Traceback" not in said
        one, other = find_runs(tmp_path)
        assert [one.status().state, other.status().state] == ["queued", "queued"]
        begun = one if one.train_log.exists() or any(one.checkpoints.glob("*")) else other
        assert begun.status().reason.startswith("interrupted; checkpoint at step")
        assert any(begun.checkpoints.glob("step-*.pt"))

    def test_a_second_one_kills_what_does_not_stop(self, tmp_path, monkeypatch):
        monkeypatch.setenv("FMBENCH_TEST_PIDS", str(tmp_path / "pids"))
        process = started(tmp_path / "results", methods="hangs")
        while not (tmp_path / "pids").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        while "stopping" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(2)  # it is waiting for its runs by then
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=26)  # sooner than the runs' grace of 30 seconds ends
        assert process.returncode == 130
        (run,) = find_runs(tmp_path / "results")
        assert (run.status().state, run.status().reason) == ("queued", "interrupted")


def test_nothing_is_decided_by_the_clock(tmp_path, monkeypatch):
    (run,) = tiny_plan(methods=["fm-ot"], metrics=["nfe"])
    carry_out([run], tmp_path / "forwards")
    monkeypatch.setattr(time, "time", lambda: Backwards.now(UTC).timestamp())
    for module in (evaluate, reporter, locks):
        monkeypatch.setattr(module, "datetime", Backwards)
    directory = RunDirectory.of(tmp_path / "backwards", run)
    execution = Execution("cpu", checkpoint_seconds=0.0)
    for renewed in (False, True):
        again = structs.replace(execution, renew=renewed)
        quiet = GridMonitor(Console(quiet=True))
        cells = [(run, directory)]
        assert commands.carry_out(
            cells, PLUGINS, results=tmp_path / "backwards", execution=again, monitor=quiet
        ).complete
        assert numbers(tmp_path / "backwards", run) == numbers(tmp_path / "forwards", run)
    lines = (directory.path / "metrics.jsonl").read_text().splitlines()
    first, *_, last = [json.loads(line)["measured_at"] for line in lines]
    assert last < first
    assert {record.measured_at for record in directory.metrics()} == {last}
    assert directory.training().seconds > 0


@pytest.fixture
def mounted(tmp_path):
    """A file system of 512 kB of its own."""
    place = tmp_path / "mounted"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(root, left):
    """Take the space of a file system but so many bytes."""
    space = os.statvfs(root)
    (root / "ballast").write_bytes(b"x" * (space.f_bavail * space.f_bsize - left))


class TestFileSystems:
    def test_a_read_only_store(self, mounted):
        carry_out(tiny_plan(methods=["fm-ot"], metrics=["nfe"]), mounted)
        before = everything(mounted)
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        code, said = fmbench(mounted, "--seeds", "2")
        assert (code, said.splitlines()) == (2, [f"error: cannot write in {mounted}: Read-only file system"])
        assert everything(mounted) == before

    @pytest.mark.parametrize("left", [8192, 57344])
    def test_a_full_disk(self, mounted, left):
        """So full that a run cannot even be prepared; or that its checkpoint does not fit any more."""
        runs = tiny_plan(methods=["fm-ot"], metrics=["nfe"], seeds=[0, 1])
        carry_out(runs[:1], mounted)
        before = everything(mounted)
        fill(mounted, left)
        code, said = fmbench(mounted, "--seeds", "2")
        assert code in (1, 2)
        assert "No space left on device" in said
        assert "Traceback" not in said
        assert {path: text for path, text in everything(mounted).items() if path in before} == before
        (mounted / "ballast").unlink()
        code, said = fmbench(mounted, "--seeds", "2", "--retry", "failed")
        assert code == 0, said
        assert {path: text for path, text in everything(mounted).items() if path in before} == before


def test_a_run_of_a_newer_version_is_refused_and_nothing_written_over(tmp_path):
    runs = tiny_plan(methods=["fm-ot"], metrics=["nfe"], seeds=[0, 1])
    carry_out(runs[:1], tmp_path)
    path = RunDirectory.of(tmp_path, runs[0]).path / "status.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    before = everything(tmp_path)
    code, said = fmbench(tmp_path, "--seeds", "2")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "status.json has schema 9; this fmbench reads up to 1" in said
    assert everything(tmp_path) == before


def test_foreign_files_among_the_runs_are_left_alone(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"], metrics=["nfe"])
    directory = RunDirectory.of(tmp_path, run)
    directory.checkpoints.mkdir(parents=True)
    foreign = [directory.path / "notes.txt", directory.checkpoints / "mine.pt", tmp_path / "digits" / "README"]
    for path in foreign:
        path.write_text("mine")
    quiet = GridMonitor(Console(quiet=True))
    assert commands.carry_out(
        [(run, directory)], PLUGINS, results=tmp_path, execution=Execution("cpu"), monitor=quiet
    ).complete
    assert {path.read_text() for path in foreign} == {"mine"}
