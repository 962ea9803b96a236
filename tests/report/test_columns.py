"""Which numbers a table shows, and what it says below of them."""

from __future__ import annotations

import json

import pytest
from msgspec import structs
from typer.testing import CliRunner

from fmbench.errors import FmbenchError
from fmbench.report import columns, render
from fmbench.report.sheet import sheets
from fmbench.report.table import build
from fmbench.report.view import View
from fmbench.store.records import NOT_APPLICABLE
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number, text

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


def lines_of(rows, names):
    (sheet,) = sheets(rows, View(names))
    return [line for section in sheet.sections for line in section.lines]


def labels(rows, names=None):
    heads = columns.heads(columns.columns_of(rows, names))
    return [label for label, _ in heads[2:-2]]


class TestChoice:
    def test_the_headline_ones_and_those_of_plugins_unasked(self, store):
        assert labels(build(store)) == ["NLL ↓", "FID ↓", "FID / floor ↓", "NFE ↓", "mine"]

    def test_those_asked_for_in_the_table_s_order(self, store):
        rows = build(store)
        assert labels(rows, columns.chosen(rows, ["kid", "nll"])) == ["NLL ↓", "KID ↓"]
        assert "| -0.0001 |" in text(rows, columns=["kid"])
        assert "| 7.5 |" in text(rows, columns=["fid-ratio"])

    def test_all_of_them_are_all_but_the_floors(self, store):
        rows = build(store)
        assert len(labels(rows, columns.chosen(rows, ["all"]))) == len(VALUES) - 2
        assert columns.head(columns.columns_of(rows, ["sample-seconds"])[0]) == ("s/1000", "")

    def test_an_unknown_one_is_refused_with_its_nearest(self, store):
        with pytest.raises(FmbenchError, match=r"unknown column 'kidd'. Did you mean 'kid'\? Known: all, fid, "):
            columns.chosen(build(store), ["nll", "kidd"])
        with pytest.raises(FmbenchError, match="unknown column 'fid-floor'"):
            columns.chosen(build(store), ["fid-floor"])

    def test_on_the_command_line(self, store):
        from fmbench.cli import app

        def table(*arguments):
            return CliRunner().invoke(app, ["table", "--results-dir", str(store), *arguments])

        assert "| KID ↓" in table("--format", "md", "--columns", "kid,nll").output
        assert "| KID ↓" not in table("--format", "md").output
        wrong = table("--format", "md", "--columns", "kdi")
        assert "Did you mean 'kid'?" in f"{wrong.output}{wrong.exception}"
        assert table("--format", "csv", "--columns", "nll,kid").output.splitlines() == [
            "dataset,method,n_seeds,status,nll,nll_ci,kid,kid_ci,train_seconds,params",
            "digits,fm-ot,1,done,2.345,,-0.00012,,12.3,1234567",
        ]
        (row,) = json.loads(table("--format", "json", "--columns", "kid").output)
        assert [one["name"] for one in row["numbers"]] == ["kid"]

    def test_json_has_them_all(self, store):
        (row,) = json.loads(render.json_table(build(store)))
        assert {one["name"] for one in row["numbers"]} == set(VALUES)


class TestTwins:
    def test_sizes_tell_columns_apart_that_have_no_other_difference(self, tmp_path):
        first, second = tiny_plan(methods=["fm-ot", "ddpm"])
        fill(tmp_path, first, {"nfe": (1.0, "", "", 100)})
        fill(tmp_path, second, {"nfe": (2.0, "", "", 200)})
        heads = columns.heads(columns.columns_of(build(tmp_path), None))
        assert heads[2:-2] == [("NFE ↓", "n=100"), ("NFE ↓", "n=200")]


class TestMissing:
    def test_what_cannot_exist_is_apart_from_what_could_not_be_had(self, tmp_path):
        cannot, could_not, done = tiny_plan(methods=["smld", "ddpm", "fm-ot"])
        fill(tmp_path, cannot, [number(cannot, "nll", None, reason=NOT_APPLICABLE)])
        fill(tmp_path, could_not, [number(could_not, "nll", None, reason="the step underflowed")])
        fill(tmp_path, done, VALUES)
        rows = build(tmp_path)
        lines = {line[0].text: line for line in lines_of(rows, ["nll"])}
        assert [lines[name][2].text for name in ("smld", "ddpm", "fm-ot")] == ["n/a", "unavailable", "2.345"]
        said = text(rows)
        assert "<sup>a</sup> nll: the step underflowed  \n" in said
        assert "unavailable <sup>a</sup>" in said
        assert "n/a: the method has no such number." in said

    def test_a_seed_without_the_number_is_told(self, tmp_path):
        runs = tiny_plan(methods=["fm-ot"], seeds=[0, 1, 2])
        for run in runs:
            fill(tmp_path, run, {"nfe": (1.0, "", ""), **({"fid": (2.0, "", "digits-v1")} if run != runs[2] else {})})
        (line,) = lines_of(build(tmp_path), ["fid", "nfe"])
        assert [entry.text for entry in line[1:4]] == ["3", "2.00 ± 0.00 (seeds: 2)", "1.0 ± 0.0"]

    def test_rows_that_miss_a_number_for_one_reason_share_a_line(self, tmp_path):
        for run in tiny_plan(methods=["ddpm", "fm-ot"]):
            fill(tmp_path, run, [number(run, "kid", None, reason="no weights")])
        said = text(build(tmp_path), columns=["kid"])
        assert said.count("kid: no weights") == 1
        assert said.count("| unavailable <sup>a</sup> |") == 2


class TestNotes:
    def test_the_floors_of_what_is_shown_are_one_line(self, store):
        rows = build(store)
        line = "Held-out real images (n=360) set the floor: FID 0.20 (digits-v1)"
        assert f"{line}.  \n" in text(rows)
        assert f"{line}, KID 0.0010 (digits-v1).  \n" in text(rows, columns=["fid", "kid"])
        assert "floor:" not in text(rows, columns=["nfe"])

    def test_points_have_another_floor(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"], dataset="moons")
        fill(tmp_path, run, {"w2": (0.3, "", "", 2000), "w2-floor": (0.05, "", "", 2000)})
        said = text(build(tmp_path))
        assert "Two true samples (n=2000) set the floor: W2 0.050." in said
        assert "| W2 ↓ |" in said
        assert "w2-floor" not in said

    def test_few_samples_are_warned_of(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        warned = {"family": "digits-v1", "details": {"warning": "n < 10 d = 640"}}
        fill(tmp_path, run, [number(run, "fid", 1.5, **warned), number(run, "fid-floor", 0.2, **warned)])
        said = text(build(tmp_path), "latex")
        assert r"fm-ot: FID: n \textless{} 10 d = 640." in said
        assert r"FID 0.20 (digits-v1; n \textless{} 10 d = 640)." in said
        (row,) = json.loads(render.json_table(build(tmp_path)))
        assert row["numbers"][0]["warnings"] == ["n < 10 d = 640"]

    def test_several_sets_of_samples_have_their_error_told(self, tmp_path):
        for run, error in zip(tiny_plan(methods=["ddpm", "fm-ot"]), (0.01, 0.05), strict=True):
            sets = {"sets": [1.4, 1.5, 1.6]}
            fill(tmp_path, run, [number(run, "fid", 1.5, family="digits-v1", error=error, details=sets)])
        said = text(build(tmp_path))
        assert "FID: mean of 3 sets of samples, standard error 0.01 to 0.05." in said

    def test_an_error_of_a_single_set_is_not_called_one_of_several(self, tmp_path):
        (run,) = tiny_plan(methods=["fm-ot"])
        fill(tmp_path, run, [number(run, "kid", 0.1, family="digits-v1", error=0.01)])
        assert "sets of samples" not in text(build(tmp_path), columns=["kid"])

    def test_the_probes_of_a_likelihood_have_their_error_told(self, tmp_path):
        run, exact = tiny_plan(methods=["fm-ot", "glow"])
        fill(tmp_path, run, [number(run, "nll", 2.5, "bits/dim", "pf-ode", error=0.004)])
        fill(tmp_path, exact, [number(exact, "nll", 2.6, "bits/dim", "exact")])
        line = "NLL of fm-ot: 1 Hutchinson probes a point, standard error 0.004 bits/dim."
        assert line in text(build(tmp_path))

    def test_masses_of_exact_densities_and_of_an_odes_share_a_column(self, tmp_path):
        flow, spline = tiny_plan(methods=["fm-ot", "nsf"], dataset="moons")
        fill(tmp_path, flow, {"mass": (0.998, "", "pf-ode")})
        fill(tmp_path, spline, {"mass": (1.004, "", "exact")})
        said = text(build(tmp_path), columns=["mass"])
        assert said.count("mass in window") == 1
        assert "0.998" in said
        assert "1.004" in said

    def test_the_gap_to_the_truth_stands_for_the_likelihood_in_the_ranks(self, tmp_path):
        for method, base in (("ddpm", 2.0), ("fm-ot", 1.0)):
            for run in tiny_plan(methods=[method], dataset="moons", seeds=[0, 1]):
                value = base + run.training.seed / 100
                fill(tmp_path, run, {"nll": (value, "nats", "pf-ode"), "nll-gap": (value - 0.5, "nats", "pf-ode")})
        said = text(build(tmp_path), "latex")
        assert "Rank by NLL - truth: fm-ot 1, ddpm 2." in said
        assert "Rank by NLL:" not in said


def test_a_metric_that_no_row_could_have_has_a_column_that_says_so(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    reason = "no Inception weights: set FMBENCH_INCEPTION"
    fill(tmp_path, run, [number(run, "nfe", 100.0), number(run, "fid", None, reason=reason)])
    said = text(build(tmp_path))
    assert "| method | seeds | FID ↓ | NFE ↓ | train (s) | params |" in said
    assert "| fm-ot | 1 | unavailable <sup>a</sup> | 100.0 |" in said
    assert reason in said.replace("\\", "")


@pytest.mark.parametrize("protocol", [b"3", b'"x"', b"[1]"])
def test_a_protocol_that_is_none_is_a_line(tmp_path, protocol):
    (run,) = tiny_plan(methods=["fm-ot"])
    directory = fill(tmp_path, run, [number(run, "nfe", 100.0)])
    file = directory.path / "metrics.jsonl"
    line = json.loads(file.read_bytes())
    file.write_text(json.dumps({**line, "protocol": json.loads(protocol)}) + "\n")
    with pytest.raises(FmbenchError, match=r"a protocol of 'nfe' is .*, which is none: fmbench eval --renew"):
        build(tmp_path)


def test_protocols_are_equal_however_they_are_spelt(tmp_path):
    for method in ("fm-ot", "ddpm"):
        (run,) = tiny_plan(methods=[method])
        fill(tmp_path, run, [structs.replace(number(run, "nfe", 100.0), protocol={"atol": 1e-5, "steps": 0})])
    file = next(tmp_path.glob("*/ddpm/*/*/metrics.jsonl"))
    spelt = file.read_text().replace('"atol": 1e-05, "steps": 0', '"steps":0,"atol":0.00001')
    assert spelt != file.read_text()
    file.write_text(spelt)
    assert {len(row.cells) for row in build(tmp_path)} == {1}
    assert len({column for row in build(tmp_path) for column in row.cells}) == 1


def test_numbers_that_lack_for_one_reason_share_a_footnote(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    lost = [number(run, name, None, reason="drew nothing finite") for name in ("fid", "memorisation")]
    fill(tmp_path, run, [number(run, "nfe", 100.0), *lost, number(run, "nll", None, reason="too slow")])
    (row,) = build(tmp_path)
    (table,) = sheets([row])
    assert {text for _, text in table.footnotes} == {"fid, memorisation: drew nothing finite", "nll: too slow"}
    assert row.reasons == ("fid, memorisation: drew nothing finite", "nll: too slow")
