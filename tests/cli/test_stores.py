"""fmbench merge and gc, in processes of their own."""

from __future__ import annotations

import pytest

from fmbench.store import files
from fmbench.store.locks import store_lock
from fmbench.store.run import find_runs
from tests.cli.test_cli import fmbench
from tests.helpers import tiny_plan
from tests.report.made_up import fill, summary


@pytest.fixture
def stores(tmp_path):
    a, b = tiny_plan(methods=["fm-ot", "ddpm"])
    fill(tmp_path / "results", a, {"nfe": (100.0,)})
    fill(tmp_path / "there", a, {"nfe": (100.0,)})
    fill(tmp_path / "there", b, {"nfe": (100.0,)})
    return tmp_path


def test_merge_says_what_it_did(stores):
    assert fmbench("merge", "there", "--dry-run", cwd=stores) == (
        0, "1 run copied, 0 extended, 1 the same, 0 conflicts (a dry run: nothing is written)\n", "",
    )  # fmt: skip
    assert len(list(find_runs(stores / "results"))) == 1
    assert not (stores / "results" / ".lock").exists()
    part = next(find_runs(stores / "results")).path.with_name(".seed-7.17.part")
    files.write_bytes(part / "run.json", b"{}")  # an earlier merge was killed
    assert fmbench("merge", "there", cwd=stores) == (0, "1 run copied, 0 extended, 1 the same, 0 conflicts\n", "")
    assert len(list(find_runs(stores / "results"))) == 2
    assert not part.exists()


def test_a_conflict_is_a_line_and_exit_1(stores):
    next(run for run in find_runs(stores / "there") if "fm-ot" in run.path.parts).set_training(summary(15.0))
    code, out, err = fmbench("merge", "there", cwd=stores)
    assert (code, err) == (1, "")
    conflict, last = out.splitlines()
    assert conflict.startswith("conflict: there/digits/fm-ot/")
    assert "trained twice" in conflict
    assert last == "1 run copied, 0 extended, 0 the same, 1 conflict"


def test_a_store_in_use_is_left_alone(stores):
    with store_lock(stores / "results"):
        for arguments in (["merge", "there"], ["gc"]):
            code, out, err = fmbench(*arguments, cwd=stores)
            assert (code, out) == (2, "")
            assert "is in use by" in err


def test_gc_frees_the_weights(stores):
    (run,) = find_runs(stores / "results")
    files.write_bytes(run.checkpoints / "step-1.pt", b"x" * 2_000_000)
    files.write_bytes(run.path / ".a.json.17.part", b"x" * 500_000)
    rest = "2.5 MB: the weights of 1 finished runs, 1 left-over files and folders\n"
    assert fmbench("gc", "--dry-run", cwd=stores) == (0, f"would free {rest}", "")
    assert run.checkpoints.exists()
    assert fmbench("gc", cwd=stores) == (0, f"freed {rest}", "")
    assert not run.checkpoints.exists()
    assert run.metrics()
    assert fmbench("gc", "--results-dir", "absent", cwd=stores)[0] == 2


def test_the_help_of_gc_says_what_it_costs(tmp_path):
    assert "fmbench eval` cannot measure" in " ".join(fmbench("gc", "--help", cwd=tmp_path)[1].split())
