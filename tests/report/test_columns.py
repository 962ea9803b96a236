"""Which numbers a table shows, and what it says below of them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fmbench.errors import FmbenchError
from fmbench.report import grid, render
from fmbench.report.table import build
from fmbench.store.records import NOT_APPLICABLE
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number

VALUES = {
    "nll": (2.345, "bits/dim", "pf-ode"),
    "fid": (1.5, "", "digits-v1"),
    "fid-floor": (0.2, "", "digits-v1", 360),
    "fid-ratio": (7.51, "", "digits-v1"),
    "kid": (-0.00012, "", "digits-v1"),
    "kid-floor": (0.001, "", "digits-v1", 360),
    "mine": (3.0, "", ""),
    "nfe": (123.0, "", ""),
    "nfe-nll": (60.0, "", ""),
    "sample-seconds": (1.25, "s/1000", ""),
}


@pytest.fixture
def store(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    fill(tmp_path, run, VALUES)
    return tmp_path


def labels(rows, names=None):
    heads = grid.heads(grid.columns_of(rows, names))
    return [label for label, _ in heads[2:-2]]


class TestChoice:
    def test_the_headline_ones_and_those_of_plugins_unasked(self, store):
        assert labels(build(store)) == ["NLL ↓", "FID ↓", "FID / floor ↓", "NFE ↓", "mine"]

    def test_those_asked_for_in_the_table_s_order(self, store):
        rows = build(store)
        assert labels(rows, grid.chosen(rows, ["kid", "nll"])) == ["NLL ↓", "KID ↓"]
        assert "| -0.0001 |" in render.markdown(rows, ["kid"])
        assert "| 7.5 |" in render.markdown(rows, ["fid-ratio"])

    def test_all_of_them_are_all_but_the_floors(self, store):
        rows = build(store)
        assert len(labels(rows, grid.chosen(rows, ["all"]))) == len(VALUES) - 2
        assert grid.head(grid.columns_of(rows, ["sample-seconds"])[0]) == ("s/1000", "")

    def test_an_unknown_one_is_refused_with_its_nearest(self, store):
        with pytest.raises(FmbenchError, match=r"unknown column 'kidd'. Did you mean 'kid'\? Known: all, fid, "):
            grid.chosen(build(store), ["nll", "kidd"])
        with pytest.raises(FmbenchError, match="unknown column 'fid-floor'"):
            grid.chosen(build(store), ["fid-floor"])

    def test_on_the_command_line(self, store):
        from fmbench.cli import app

        def table(*arguments):
            return CliRunner().invoke(app, ["table", "--results-dir", str(store), *arguments])

        assert "| KID ↓" in table("--format", "md", "--columns", "kid,nll").output
        assert "| KID ↓" not in table("--format", "md").output
        wrong = table("--format", "md", "--columns", "kdi")
        assert "Did you mean 'kid'?" in f"{wrong.output}{wrong.exception}"
        for form in ("csv", "json"):
            refused = table("--format", form, "--columns", "kid")
            assert f"--columns with --format {form}" in f"{refused.output}{refused.exception}"

    def test_json_has_them_all(self, store):
        (row,) = json.loads(render.json_table(build(store)))
        assert {one["name"] for one in row["numbers"]} == set(VALUES)


class TestTwins:
    def test_sizes_tell_columns_apart_that_have_no_other_difference(self, tmp_path):
        first, second = tiny_plan(methods=["fm-ot", "ddpm"])
        fill(tmp_path, first, {"nfe": (1.0, "", "", 100)})
        fill(tmp_path, second, {"nfe": (2.0, "", "", 200)})
        heads = grid.heads(grid.columns_of(build(tmp_path), None))
        assert heads[2:-2] == [("NFE ↓", "n=100"), ("NFE ↓", "n=200")]


class TestMissing:
    def test_what_cannot_exist_is_apart_from_what_could_not_be_had(self, tmp_path):
        cannot, could_not, done = tiny_plan(methods=["smld", "ddpm", "fm-ot"])
        fill(tmp_path, cannot, [number(cannot, "nll", None, reason=NOT_APPLICABLE)])
        fill(tmp_path, could_not, [number(could_not, "nll", None, reason="the step underflowed")])
        fill(tmp_path, done, VALUES)
        rows = build(tmp_path)
        lines = {line[0].text: line for line in grid.body(rows, grid.columns_of(rows, ["nll"]))}
        assert [lines[name][2].text for name in ("smld", "ddpm", "fm-ot")] == ["n/a", "unavailable", "2.345"]
        text = render.markdown(rows)
        assert "ddpm: nll: the step underflowed" in text
        assert "smld: nll" not in text

    def test_a_seed_without_the_number_is_told(self, tmp_path):
        runs = tiny_plan(methods=["fm-ot"], seeds=[0, 1, 2])
        for run in runs:
            fill(tmp_path, run, {"nfe": (1.0, "", ""), **({"fid": (2.0, "", "digits-v1")} if run != runs[2] else {})})
        (line,) = grid.body(rows := build(tmp_path), grid.columns_of(rows, ["fid", "nfe"]))
        assert [entry.text for entry in line[1:4]] == ["3", "2.00 ± 0.00 (seeds: 2)", "1.0 ± 0.0"]

    def test_rows_that_miss_a_number_for_one_reason_share_a_line(self, tmp_path):
        for run in tiny_plan(methods=["ddpm", "fm-ot"]):
            fill(tmp_path, run, [number(run, "kid", None, reason="no weights")])
        assert "ddpm, fm-ot: kid: no weights" in render.markdown(build(tmp_path))


class TestNotes:
    def test_the_floors_of_what_is_shown_are_one_line(self, store):
        rows = build(store)
        line = "Held-out real images (n=360) set the floor: FID 0.20 (digits-v1)"
        assert f"{line}.  \n" in render.markdown(rows)
        assert f"{line}, KID 0.0010 (digits-v1).  \n" in render.markdown(rows, ["fid", "kid"])
        assert "floor:" not in render.markdown(rows, ["nfe"])

    def test_points_have_another_floor(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"], dataset="moons")
        fill(tmp_path, run, {"w2": (0.3, "", "", 2000), "w2-floor": (0.05, "", "", 2000)})
        text = render.markdown(build(tmp_path))
        assert "Two true samples (n=2000) set the floor: W2 0.050." in text
        assert "| W2 ↓ |" in text
        assert "w2-floor" not in text

    def test_few_samples_are_warned_of(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        warned = {"family": "digits-v1", "details": {"warning": "n < 10 d = 640"}}
        fill(tmp_path, run, [number(run, "fid", 1.5, **warned), number(run, "fid-floor", 0.2, **warned)])
        text = render.latex(build(tmp_path))
        assert "fm-ot: FID: n < 10 d = 640." in text
        assert "FID 0.20 (digits-v1; n < 10 d = 640)." in text
        (row,) = json.loads(render.json_table(build(tmp_path)))
        assert row["numbers"][0]["warnings"] == ["n < 10 d = 640"]

    def test_several_sets_of_samples_have_their_error_told(self, tmp_path):
        for run, error in zip(tiny_plan(methods=["ddpm", "fm-ot"]), (0.01, 0.05), strict=True):
            sets = {"sets": [1.4, 1.5, 1.6]}
            fill(tmp_path, run, [number(run, "fid", 1.5, family="digits-v1", error=error, details=sets)])
        text = render.markdown(build(tmp_path))
        assert "FID: mean of 3 sets of samples, standard error 0.01 to 0.05." in text

    def test_an_error_of_a_single_set_is_not_called_one_of_several(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        fill(tmp_path, run, [number(run, "kid", 0.1, family="digits-v1", error=0.01)])
        assert "sets of samples" not in render.markdown(build(tmp_path), ["kid"])

    def test_the_probes_of_a_likelihood_have_their_error_told(self, tmp_path):
        run, exact = tiny_plan(methods=["fm-ot", "glow"])
        fill(tmp_path, run, [number(run, "nll", 2.5, "bits/dim", "pf-ode", error=0.004)])
        fill(tmp_path, exact, [number(exact, "nll", 2.6, "bits/dim", "exact")])
        line = "NLL of fm-ot: 1 Hutchinson probes a point, standard error 0.004 bits/dim."
        assert line in render.markdown(build(tmp_path))

    def test_the_gap_to_the_truth_stands_for_the_likelihood_in_the_ranks(self, tmp_path):
        for method, base in (("ddpm", 2.0), ("fm-ot", 1.0)):
            for run in tiny_plan(methods=[method], dataset="moons", seeds=[0, 1]):
                value = base + run.training.seed / 100
                fill(tmp_path, run, {"nll": (value, "nats", "pf-ode"), "nll-gap": (value - 0.5, "nats", "pf-ode")})
        text = render.latex(build(tmp_path))
        assert "Rank by NLL - truth: fm-ot 1, ddpm 2." in text
        assert "Rank by NLL:" not in text


def test_a_metric_that_no_row_could_have_has_a_column_that_says_so(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    reason = "no Inception weights: set FMBENCH_INCEPTION"
    fill(tmp_path, run, [number(run, "nfe", 100.0), number(run, "fid", None, reason=reason)])
    text = render.markdown(build(tmp_path))
    assert "| method | seeds | FID ↓ | NFE ↓ | train (s) | params |" in text
    assert "| fm-ot | 1 | unavailable | 100.0 |" in text
    assert reason in text.replace("\\", "")
