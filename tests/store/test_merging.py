from __future__ import annotations

import shutil

import pytest
from msgspec import structs

from fmbench.errors import FmbenchError
from fmbench.report.render import csv_table, json_table
from fmbench.report.table import build
from fmbench.store import files, merging
from fmbench.store.run import RunDirectory
from tests.report.made_up import fill, number, text
from tests.store.merged import VALUES, kinds, measured, merge, tree, values


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
