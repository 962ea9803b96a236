from __future__ import annotations

import pytest
from msgspec import structs

from fmbench.store import files
from fmbench.store.leftovers import leftovers, remove, size, temporary_folders, weights
from fmbench.store.locks import run_lock
from fmbench.store.run import RunDirectory, find_runs
from tests.helpers import tiny_plan
from tests.report.made_up import fill

PARTS = (".status.json.17.part", "samples/.dopri5.npy.17.part", "checkpoints/.step-1.pt.17.part")


@pytest.fixture
def directory(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    directory = fill(tmp_path, run, {"nfe": (100.0,)})
    for name in ("checkpoints/step-1.pt", "snapshots/step-1.pt", "teacher/checkpoints/step-1.pt", "samples/a.npy"):
        files.write_bytes(directory.path / name, b"x" * 1000)
    return directory


def test_the_weights_of_a_finished_run_go_and_its_numbers_stay(directory, tmp_path):
    found = list(weights(tmp_path))
    assert found == [directory.checkpoints, directory.snapshots, directory.teacher]
    assert [size(path) for path in found] == [1000, 1000, 1000]
    for path in found:
        remove(path)
    assert {path.name for path in directory.path.iterdir()} == {
        "run.json", "status.json", "training.json", "metrics.jsonl", "samples",
    }  # fmt: skip
    assert list(weights(tmp_path)) == []


@pytest.mark.parametrize("state", ["queued", "running", "failed", "timeout"])
def test_a_run_that_is_not_done_keeps_them(directory, tmp_path, state):
    directory.set_status(structs.replace(directory.status(), state=state))
    assert list(weights(tmp_path)) == []


def test_what_a_process_works_on_is_left_alone(directory, tmp_path):
    """It may be done and be measured again."""
    files.write_bytes(directory.path / PARTS[0], b"x")
    with run_lock(directory.path / "run.json"):
        assert list(weights(tmp_path)) == []
        assert list(leftovers(tmp_path)) == []


def test_left_over_files_are_found_and_others_are_not(directory, tmp_path):
    for name in (*PARTS, "notes.part", ".hidden", ".a.part"):
        files.write_bytes(directory.path / name, b"x")
    merged = directory.path.with_name(".seed-0.17.part")
    files.write_bytes(merged / "run.json", b"{}")
    assert set(leftovers(tmp_path)) == {merged, *(directory.path / name for name in PARTS)}
    assert list(temporary_folders(tmp_path)) == [merged]
    assert list(find_runs(tmp_path)) == [directory]
    for path in list(leftovers(tmp_path)):
        remove(path)
    assert list(leftovers(tmp_path)) == []
    assert all((directory.path / name).exists() for name in ("notes.part", ".hidden", ".a.part", "run.json"))


def test_a_removal_that_was_cut_short_is_finished_later(directory, tmp_path, monkeypatch):
    monkeypatch.setattr("fmbench.store.leftovers.discard", str)
    remove(directory.checkpoints)
    assert not directory.checkpoints.exists()  # no reader finds half of it
    monkeypatch.undo()
    (part,) = leftovers(tmp_path)
    remove(part)
    assert list(RunDirectory(directory.path).path.glob(".*")) == []
