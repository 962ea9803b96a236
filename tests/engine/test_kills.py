"""Whatever is killed, and whenever: nothing that was written is lost, and the same command finishes the same grid."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fmbench import commands
from fmbench.engine import forkserver
from fmbench.engine.forkclient import ForkServerClient
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.scheduling.dispatch import prepare
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints
from tests.helpers import carry_out, numbers, tiny_plan
from tests.report.made_up import number

ROOT = Path(__file__).parents[2]
PLUGINS = load_plugins(environ={})


@pytest.fixture
def run():
    return tiny_plan(methods=["fm-ot"], metrics=["nfe"])[0]


@pytest.mark.slow
def test_a_grid_that_is_killed_ten_times_is_the_one_that_nobody_disturbed():
    """The long form of this is the script itself, with hundreds of kills."""
    short = "--kills 10 --methods fm-ot --seeds 6 --metrics nfe --pause 0.4"
    script = [sys.executable, "benchmarks/soak.py", *short.split()]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 kills in" in done.stdout


def test_killed_right_after_its_numbers_stand_a_run_lacks_nothing(run, tmp_path, monkeypatch):
    def killed(directory, records):
        add(directory, records)
        if directory.metrics():
            raise KeyboardInterrupt

    add = RunDirectory.add_metrics
    monkeypatch.setattr(RunDirectory, "add_metrics", killed)
    with pytest.raises(KeyboardInterrupt):
        carry_out([run], tmp_path)
    monkeypatch.undo()
    directory = RunDirectory.of(tmp_path, run)
    assert list(directory.samples.glob("*.npy"))
    assert set(json.loads((directory.path / "env.json").read_text())) == {"schema", "train", "evaluate"}
    assert carry_out([run], tmp_path).complete


def test_the_numbers_of_one_measurement_are_written_together_or_not_at_all(run, tmp_path):
    """Half of them would stand for all: nobody would measure the rest."""
    directory = RunDirectory(tmp_path)
    directory.add_metrics([number(run, "nll", 2.5)])
    before = (tmp_path / "metrics.jsonl").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + len(before) * 3 // 2, limits[1]))
    try:
        with pytest.raises(FmbenchError, match=r"cannot write .*metrics.jsonl: File too large"):
            directory.add_metrics([number(run, "nfe", 1.0), number(run, "sample-seconds", 1.0)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_a_truncated_checkpoint_gives_way_to_the_one_before_with_the_same_numbers(run, tmp_path):
    assert carry_out([run], tmp_path / "whole").complete
    directory = RunDirectory.of(tmp_path / "torn", run)
    execution = Execution("cpu", checkpoint_seconds=0.0)
    quiet = GridMonitor(Console(quiet=True))
    commands.carry_out([(run, directory)], PLUGINS, results=tmp_path / "torn", execution=execution, monitor=quiet)
    newest, before = checkpoints.newest_first(directory.checkpoints)
    assert [newest.stem, before.stem] == ["step-000000006", "step-000000005"]
    newest.write_bytes(newest.read_bytes()[:2000])
    for name in ("training.json", "metrics.jsonl"):
        (directory.path / name).unlink()
    assert carry_out([run], tmp_path / "torn").complete
    assert numbers(tmp_path / "torn", run) == numbers(tmp_path / "whole", run)
    assert logged(directory) == logged(RunDirectory.of(tmp_path / "whole", run))


def logged(directory):
    lines = [json.loads(line) for line in directory.train_log.read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines]


def test_a_child_whose_server_died_before_it_could_be_told_does_nothing(run, tmp_path):
    directory = RunDirectory.of(tmp_path, run)
    prepare(directory, [run], Execution("cpu"))
    asked = {"start": 1, "directory": str(directory.path), "devices": 1, "environment": {}}
    pid = os.fork()
    if pid == 0:
        forkserver.ForkServer(PLUGINS, os.dup(2))._child(asked, directory, os.getpid())  # its parent is another process
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert not directory.output.exists()
    assert directory.status().state == "queued"


def test_what_a_dead_server_never_heard_is_no_error():
    server = ForkServerClient([], 1)
    while not list(server.listen(1.0)):
        continue
    server._process.send_signal(signal.SIGKILL)
    server._process.wait()
    server.ask({"start": 1})
    assert list(server.listen(1.0)) == []
    assert server.lost
    server.end()
