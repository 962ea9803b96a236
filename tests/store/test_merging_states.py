"""Merging runs of every state, and stores of every kind."""

from __future__ import annotations

import shutil

import pytest

from fmbench.errors import FmbenchError
from fmbench.store import files, merging
from fmbench.store.locks import run_lock
from fmbench.store.merging import summary
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from tests.report.made_up import fill
from tests.report.made_up import summary as training
from tests.store.merged import VALUES, kinds, merge, tree, values


class TestStates:
    def test_a_done_run_takes_the_place_of_one_without_numbers(self, run, stores):
        here, there = stores
        directory = RunDirectory.of(here, run)
        directory.create(run)
        directory.set_status(StatusRecord(state="failed", reason="loss is nan"))
        fill(there, run, VALUES)
        assert kinds(merge(here, there)) == {"copied": 1}
        assert tree(here) == tree(there)
        assert [path.name for path in directory.path.parent.iterdir()] == ["seed-0"]

    def test_a_failed_evaluation_is_completed_and_its_weights_stay(self, run, stores):
        here, there = stores
        directory = fill(here, run, {"nfe": (100.0,)}, state="failed", reason="out of memory")
        files.write_text(directory.checkpoints / "step-1.pt", "weights")
        fill(there, run, VALUES)
        assert kinds(merge(here, there)) == {"extended": 1}
        assert directory.status().state == "done"
        assert values(here, run) == {"nfe": 100.0, "nll": 2.5}
        assert (directory.checkpoints / "step-1.pt").exists()

    def test_a_run_that_got_nowhere_adds_nothing(self, run, stores):
        here, there = stores
        fill(here, run, VALUES)
        RunDirectory.of(there, run).create(run)
        before = tree(here)
        assert kinds(merge(here, there)) == {"same": 1}
        assert tree(here) == before

    @pytest.mark.parametrize("state", ["done", "failed"])
    def test_two_trainings_are_a_conflict(self, run, stores, state):
        here, there = stores
        fill(here, run, VALUES, state=state)
        fill(there, run, VALUES).set_training(training(15.0))
        before = tree(here)
        (step,) = merge(here, there)
        assert step.problem == "trained twice: in 12.34 s to a loss of 1 here, in 15 s to a loss of 1 there"
        assert tree(here) == before

    def test_what_is_running_is_left_alone(self, run, stores):
        here, there = stores
        directory = fill(here, run, {"nfe": (100.0,)}, state="running")
        fill(there, run, VALUES)
        with run_lock(directory.path / "run.json"):
            (step,) = merge(here, there)
        assert (step.kind, step.problem) == ("conflict", "is running here: merge again when it has ended")
        assert values(here, run) == {"nfe": 100.0}

    def test_two_requests_in_one_place_are_a_conflict(self, runs, stores):
        here, there = stores
        fill(here, runs[0], VALUES)
        place = RunDirectory.of(there, runs[0]).path
        fill(there, runs[1], VALUES).path.rename(place)
        (step,) = merge(here, there)
        assert step.kind == "conflict"
        assert "holds another request" in step.problem

    def test_a_folder_without_a_run_in_its_place_is_not_written_over(self, run, stores):
        here, there = stores
        fill(there, run, VALUES)
        place = RunDirectory.of(here, run).path
        place.mkdir(parents=True)
        assert kinds(merge(here, there)) == {"copied": 1}
        shutil.rmtree(place)
        place.mkdir()
        (place / "notes.txt").write_text("mine")
        (step,) = merge(here, there)
        assert "holds no run: move it away" in step.problem
        assert tree(here) == {place.relative_to(here) / "notes.txt": b"mine"}


class TestSources:
    def test_a_damaged_run_is_a_line_and_the_rest_is_merged(self, runs, stores):
        here, there = stores
        for run in runs:
            fill(there, run, VALUES)
        (RunDirectory.of(there, runs[0]).path / "training.json").write_text("{")
        (RunDirectory.of(there, runs[1]).path / "run.json").write_text("{")
        steps = merge(here, there)
        assert kinds(steps) == {"conflict": 2, "copied": 2}
        assert all("is not JSON" in step.problem for step in steps if step.kind == "conflict")

    def test_a_newer_store_is_refused_before_anything_is_copied(self, runs, stores):
        here, there = stores
        for run in runs:
            fill(there, run, VALUES)
        path = RunDirectory.of(there, runs[0]).path / "run.json"
        files.write_json(path, {**files.read_json(path), "schema": 2})
        with pytest.raises(FmbenchError, match="install a newer fmbench"):
            merge(here, there)
        assert not here.exists()

    @pytest.mark.parametrize(
        ("name", "reason"), [("absent", "no results directory"), ("empty", "no runs in"), ("here", "merge into")]
    )
    def test_what_is_no_other_store_says_so(self, run, tmp_path, name, reason):
        fill(tmp_path / "here", run, VALUES)
        (tmp_path / "empty").mkdir()
        with pytest.raises(FmbenchError, match=reason):
            merge(tmp_path / "here", tmp_path / name)


def test_the_summary(run):
    steps = [merging.Step(kind, RunDirectory, RunDirectory) for kind in ("copied", "same", "same", "conflict")]
    assert summary(steps) == "1 run copied, 0 extended, 2 the same, 1 conflict"
    assert summary(steps[1:3]) == "0 runs copied, 0 extended, 2 the same, 0 conflicts"
