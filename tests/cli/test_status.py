"""fmbench status: from the store alone."""

from __future__ import annotations

import pytest
from rich.console import Console

from fmbench.cli.status import overview
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.scheduling.dispatch import prepare
from fmbench.store.locks import run_lock
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan


def shown(root):
    console = Console(width=120, record=True, quiet=True)
    console.quiet = False
    with console.capture() as captured:
        console.print(overview(root, load_plugins(environ={}).code))
    return captured.get()


@pytest.fixture
def store(tmp_path):
    states = ("done", "done", "failed", "running", "running", "queued")
    runs = tiny_plan(methods=["fm-ot"], seeds=range(len(states)))
    directories = [RunDirectory.of(tmp_path, run) for run in runs]
    for run, directory, state in zip(runs, directories, states, strict=True):
        prepare(directory, [run], Execution("cpu"))
        reason = "out of [memory]" if state == "failed" else ""
        directory.set_status(StatusRecord(state=state, reason=reason, slot="gpu 3", doing="nll", done=2, total=9))
    return tmp_path, directories


def test_counts_and_what_wants_attention(store):
    root, directories = store
    with run_lock(directories[3].path / "run.json"):
        text = shown(root)
    head, row, *rest = (line.split() for line in text.splitlines())
    assert dict(zip(head, row, strict=True)) == {
        "dataset": "digits", "running": "1", "lost": "1", "queued": "1", "failed": "1", "done": "2",
    }  # fmt: skip
    (running,) = (line for line in text.splitlines() if "gpu 3" in line)
    assert "seed 3" in running
    assert "2/9" in running
    assert "failed: fm-ot on digits, seed 2" in text
    assert "out of [memory]" in text
    assert any(line.startswith("lost: fm-ot on digits, seed 4") for line in text.splitlines())
    del rest


def test_an_empty_store_is_one_line(tmp_path):
    with pytest.raises(FmbenchError, match="no runs in"):
        overview(tmp_path, load_plugins(environ={}).code)
