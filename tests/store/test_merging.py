from __future__ import annotations

import shutil
from collections import Counter

import pytest
from msgspec import structs

from fmbench.errors import FmbenchError
from fmbench.report.render import csv_table, json_table
from fmbench.report.table import build
from fmbench.store import files, merging
from fmbench.store.locks import run_lock
from fmbench.store.merging import Merge, summary
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number, text
from tests.report.made_up import summary as training

VALUES = {"nll": (2.5, "bits/dim", "pf-ode"), "nfe": (100.0,)}


@pytest.fixture(scope="module")
def runs():
    return tiny_plan(methods=["fm-ot", "ddpm"], seeds=[0, 1])


@pytest.fixture
def run(runs):
    return runs[0]


@pytest.fixture
def stores(tmp_path):
    return tmp_path / "here", tmp_path / "there"


def merge(root, *sources):
    steps = []
    target = Merge(root)
    for source in sources:
        for step in target.steps(source):
            step.carry_out()
            steps.append(step)
    return steps


def kinds(steps):
    return dict(Counter(step.kind for step in steps))


def tree(root):
    return {
        path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"
    }


def values(root, run):
    return {record.name: record.value for record in RunDirectory.of(root, run).metrics()}


def measured(run, value, at, name="nfe", **more):
    return number(run, name, value, measured_at=at, **more)


class TestCopies:
    def test_the_merged_store_gives_the_tables_of_one_that_ran_all(self, runs, tmp_path):
        whole, a, b = (tmp_path / name for name in ("whole", "a", "b"))
        for index, run in enumerate(runs):
            found = {"nll": (2.5 + index, "bits/dim", "pf-ode"), "fid": (1.5 * index, "", "digits-v1")}
            fill(whole, run, found)
            fill((a, b)[index % 2], run, found)
        assert kinds(merge(a, b)) == {"copied": 2}
        for form in (text, csv_table, json_table):
            assert form(build(a)) == form(build(whole))
        assert tree(a) == tree(whole)

    def test_merging_again_changes_nothing(self, runs, stores):
        here, there = stores
        for run in runs:
            fill(there, run, VALUES)
        assert kinds(merge(here, there)) == {"copied": 4}
        before = tree(here)
        assert kinds(merge(here, there)) == {"same": 4}
        assert tree(here) == before == tree(there)

    def test_foreign_files_and_unfinished_ones_stay_behind(self, run, stores):
        here, there = stores
        directory = fill(there, run, VALUES)
        (there / "notes.txt").write_text("mine")
        (directory.path / ".a.json.17.part").write_text("half")
        (directory.path.parent / "seed-x").mkdir()
        (directory.path.parent / "seed-x" / "run.json").write_text("{}")
        merge(here, there)
        assert {path.name for path in here.rglob("*") if path.is_file()} == {
            "run.json", "status.json", "training.json", "metrics.jsonl",
        }  # fmt: skip

    def test_an_interrupted_copy_leaves_no_half_run(self, run, stores, monkeypatch):
        here, there = stores
        fill(there, run, VALUES)
        monkeypatch.setattr(merging, "copy_synced", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(FmbenchError, match=r"cannot copy to .*seed-0: .*No space left"):
            merge(here, there)
        assert tree(here) == {}
        monkeypatch.undo()
        assert kinds(merge(here, there)) == {"copied": 1}

    def test_the_same_request_under_another_folder_is_one_run(self, run, stores):
        """The slug is of what differs from the defaults, and those may change with the version."""
        here, there = stores
        fill(here, run, {"nfe": (100.0,)})
        other = fill(there, run, VALUES).path.parent
        other.rename(other.with_name(f"default-{run.training.config_id}"))
        assert kinds(merge(here, there)) == {"extended": 1}
        assert values(here, run) == {"nfe": 100.0, "nll": 2.5}


class TestNumbers:
    def test_each_side_adds_what_the_other_lacks(self, run, stores):
        here, there = stores
        fill(here, run, {"nfe": (100.0,)})
        fill(there, run, {"nll": (2.5, "bits/dim", "pf-ode")})
        assert kinds(merge(here, there)) == {"extended": 1}
        assert values(here, run) == {"nfe": 100.0, "nll": 2.5}
        before = tree(here)
        assert kinds(merge(here, there)) == {"same": 1}
        assert tree(here) == before

    def test_a_renewed_number_counts_whichever_way_the_stores_are_merged(self, run, stores, tmp_path):
        here, there = stores
        fill(here, run, [measured(run, 1.0, "1")])
        shutil.copytree(here, there)
        RunDirectory.of(there, run).add_metrics([measured(run, 2.0, "2")])
        shutil.copytree(here, tmp_path / "third")
        assert kinds(merge(there, here)) == {"same": 1}
        assert kinds(merge(here, there)) == {"extended": 1}
        assert values(here, run) == values(there, run) == {"nfe": 2.0}

    @pytest.mark.parametrize("newer", ["here", "there"])
    def test_of_two_protocols_the_later_one_counts(self, run, tmp_path, newer):
        older = {"here": "there", "there": "here"}[newer]
        old = structs.replace(measured(run, 1.0, "1"), protocol={"samples": 7})
        fill(tmp_path / newer, run, [measured(run, 2.0, "2")])
        fill(tmp_path / older, run, [old])
        assert kinds(merge(tmp_path / "here", tmp_path / "there")) == {"extended": 1}
        assert values(tmp_path / "here", run) == {"nfe": 2.0}
        assert kinds(merge(tmp_path / "here", tmp_path / "there")) == {"same": 1}

    def test_a_number_counts_before_its_absence(self, run, stores):
        here, there = stores
        fill(here, run, [measured(run, None, "2", reason="no weights")])
        fill(there, run, [measured(run, 1.0, "1")])
        merge(here, there)
        assert values(here, run) == {"nfe": 1.0}

    def test_numbers_that_differ_are_a_conflict_that_changes_nothing(self, run, stores):
        here, there = stores
        fill(here, run, [measured(run, 1.0, "1")])
        fill(there, run, [measured(run, 1.25, "2"), *(measured(run, 3.0, "2", name="fid") for _ in "x")])
        before = tree(here)
        (step,) = merge(here, there)
        assert (step.kind, step.problem) == ("conflict", "nfe is 1 here and 1.25 there (by 0.25)")
        assert tree(here) == before

    def test_seconds_are_never_the_same_twice(self, run, stores):
        here, there = stores
        for root, seconds in ((here, 3.0), (there, 4.0)):
            time = number(run, "sample-seconds", seconds, unit="s/1000", measured_at=str(seconds))
            fill(root, run, [structs.replace(time, metric="nfe"), measured(run, 1.0, str(seconds))])
        assert kinds(merge(here, there)) == {"extended": 1}
        assert values(here, run) == {"nfe": 1.0, "sample-seconds": 3.0}

    def test_a_measurement_that_a_crash_tore_is_completed(self, run, stores):
        here, there = stores
        whole = [measured(run, 1.0, "1"), number(run, "sample-seconds", 3.0, measured_at="1")]
        whole[1] = structs.replace(whole[1], metric="nfe")
        fill(there, run, whole)
        path = fill(here, run, whole).path / "metrics.jsonl"
        path.write_bytes(path.read_bytes()[:-9])
        assert values(here, run) == {"nfe": 1.0}
        merge(here, there)
        assert values(here, run) == {"nfe": 1.0, "sample-seconds": 3.0}

    def test_samples_and_provenance_come_along(self, run, stores):
        here, there = stores
        fill(here, run, {"nfe": (100.0,)}).set_environment("train", {"python": "here"})
        other = fill(there, run, VALUES)
        other.set_environment("train", {"python": "there"})
        other.set_environment("evaluate", {"python": "there"})
        files.write_text(other.samples / "heun.npy", "points")
        files.write_text(other.pictures / "portrait.npz", "paths")
        merge(here, there)
        directory = RunDirectory.of(here, run)
        assert (directory.pictures / "portrait.npz").read_text() == "paths"
        environment = files.read_json(directory.path / "env.json")
        assert (environment["train"], environment["evaluate"]) == ({"python": "here"}, {"python": "there"})
        assert (directory.samples / "heun.npy").read_text() == "points"

    def test_files_come_before_the_numbers_that_end_the_merging_of_a_run(self, run, stores, monkeypatch):
        here, there = stores
        fill(here, run, {"nfe": (100.0,)})
        other = fill(there, run, VALUES)
        files.write_text(other.pictures / "portrait.npz", "paths")
        write = files.write_bytes

        def interrupted(path, content):
            if path.suffix == ".npz":
                raise KeyboardInterrupt
            write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(files, "write_bytes", interrupted)
            with pytest.raises(KeyboardInterrupt):
                merge(here, there)
        merge(here, there)
        assert (RunDirectory.of(here, run).pictures / "portrait.npz").exists()


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
