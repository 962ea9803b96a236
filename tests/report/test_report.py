from __future__ import annotations

import csv
import io
import json
import math

import pytest
from rich.console import Console

from fmbench.report import columns, latex, markdown, render, terminal
from fmbench.report.cells import half_width
from fmbench.report.sheet import Entry, Section
from fmbench.report.table import build
from fmbench.report.terminal import row
from fmbench.report.view import View
from tests.helpers import tiny_plan
from tests.report.made_up import fill, forget_family

NUMBERS = {
    "nll": (2.345, "bits/dim", "pf-ode"),
    "fid": (1.5, "", "digits-v1"),
    "fid-floor": (1.1, "", "digits-v1"),
    "nfe": (123.0, "", ""),
}


def shifted(by):
    return {name: (value + by, unit, family) for name, (value, unit, family) in NUMBERS.items()}


@pytest.fixture
def store(tmp_path):
    a, b, c = tiny_plan(methods=["fm-ot"], seeds=[0, 1, 2])
    for run, by in ((a, 0.0), (b, 0.1), (c, 0.2)):
        fill(tmp_path, run, shifted(by))
    (d,) = tiny_plan(methods=["ddpm"])
    fill(tmp_path, d, {"nll": NUMBERS["nll"]}, "failed", "loss is nan at step 9")
    return tmp_path


def read_csv(rows):
    return list(csv.DictReader(io.StringIO(render.csv_table(rows))))


def test_csv_has_its_columns_in_order_and_empty_cells(store):
    text = render.csv_table(build(store))
    assert text.splitlines()[0] == (
        "dataset,method,n_seeds,status,nll,nll_ci,nll_unit,nll_family,fid,fid_ci,fid_features,nfe,nfe_ci,"
        "train_seconds,params"
    )
    ddpm, fm = read_csv(build(store))
    assert (ddpm["method"], ddpm["status"], ddpm["fid"], ddpm["nll_ci"]) == ("ddpm", "failed", "", "")
    assert (fm["method"], fm["n_seeds"], fm["nll_unit"], fm["nll_family"]) == (
        "fm-ot",
        "3",
        "bits/dim",
        "pf-ode",
    )
    assert (fm["fid_features"], fm["params"], fm["train_seconds"]) == ("digits-v1", "1234567", "12.3")


def test_means_and_student_intervals_over_seeds(store):
    fm = read_csv(build(store))[1]
    assert float(fm["nll"]) == pytest.approx(2.445)
    assert float(fm["nll_ci"]) == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-5)
    assert half_width([1.0]) is None
    assert half_width([1.0, 3.0]) == pytest.approx(12.7062047)


def test_one_row_a_method_whatever_the_overrides(store):
    assert [row.label for row in build(store)] == ["ddpm", "fm-ot"]


def test_rows_of_one_method_are_told_apart_by_what_differs(store):
    (other,) = tiny_plan("train.lr=0.5", methods=["fm-ot"])
    fill(store, other, NUMBERS)
    (solver,) = tiny_plan("sampler.name=heun", "sampler.steps=20", methods=["fm-ot"])
    fill(store, solver, NUMBERS)
    labels = [row.label for row in build(store)]
    assert "fm-ot [train.lr=0.5]" in labels
    assert any("sampler.name=heun" in label and "sampler.steps=20" in label for label in labels)
    assert len(set(labels)) == len(labels) == 4


def test_rows_of_a_sweep_count_up(tmp_path):
    for steps in (50, 100, 5):
        (run,) = tiny_plan("sampler.name=heun", f"sampler.steps={steps}", methods=["fm-ot"])
        fill(tmp_path, run, NUMBERS)
    assert [row.label for row in build(tmp_path)] == [f"fm-ot [sampler.steps={steps}]" for steps in (5, 50, 100)]


def test_another_sampler_shares_the_training_but_not_the_row(store):
    (solver,) = tiny_plan("sampler.name=heun", methods=["fm-ot"])
    fill(store, solver, shifted(5.0))
    rows = [row for row in build(store) if row.request.method.name == "fm-ot"]
    assert len(rows) == 2
    assert len({row.request.config_id for row in rows}) == 1


def test_numbers_of_different_protocols_do_not_share_a_column(store):
    (run,) = tiny_plan("nll.draws=5", methods=["ddpm"], seeds=[7])
    fill(store, run, NUMBERS)
    heads = [" ".join(head) for head in columns.heads(columns.columns_of(build(store), None))]
    assert len([head for head in heads if head.startswith("NLL")]) == 2
    assert any("K=5" in head for head in heads)
    assert any("K=1" in head for head in heads)


def test_a_column_says_how_many_points_were_scored_where_it_was_not_all(store):
    (run,) = tiny_plan("nll.points=20", methods=["ddpm"], seeds=[7])
    fill(store, run, NUMBERS)
    heads = [" ".join(head) for head in columns.heads(columns.columns_of(build(store), None)) if head[0][:3] == "NLL"]
    assert len(heads) == 2
    assert [", first " in head for head in sorted(heads, key=len)] == [False, True]


def shown(root, form, names=None):
    console = Console(width=100, file=io.StringIO())
    render.show(build(root), form, console, View(names))
    return console.file.getvalue()


@pytest.mark.parametrize("form", render.FORMATS)
def test_every_format_is_the_same_bytes_for_the_same_store(store, form):
    assert shown(store, form) == shown(store, form)


def test_json_is_an_array_of_the_same_rows(store):
    rows = json.loads(shown(store, "json"))
    assert [row["method"] for row in rows] == ["ddpm", "fm-ot"]
    assert rows[0]["reasons"] == ["loss is nan at step 9"]
    floors = [number for number in rows[1]["numbers"] if number["name"] == "fid-floor"]
    assert floors[0]["mean"] == pytest.approx(1.2)


@pytest.mark.parametrize("form", ["md", "latex"])
def test_text_tables_show_failures_intervals_and_the_floor(store, form):
    out = shown(store, form)
    for part in (
        "failed",
        "loss is nan at step 9",
        "Held-out real images (n=100) set the floor: FID 1.20 (digits-v1).",
        "bits/dim",
        "2.445",
    ):
        assert part in out
    assert ("2.445 ± 0.248" if form == "md" else r"2.445 $\pm$ 0.248") in out


def test_the_terminal_table(store):
    out = shown(store, "rich")
    for part in ("fm-ot", "ddpm", "failed", "1.23 M", "K=1", "the floor"):
        assert part in out


def test_names_with_special_characters_are_escaped(store):
    (run,) = tiny_plan("train.decay=linear", methods=["fm-ot"], seeds=[0])
    fill(store, run, NUMBERS)
    assert r"fm-ot {[}train.decay=linear{]}" in shown(store, "latex")
    assert r"fm-ot \[train.decay=linear\]" in shown(store, "md")


LONG = ("method-of-a-long-name", "1.234 ± 0.567", "9.876 ± 0.543", "0.1 ± 0.2")


def folded(width):
    head = [["method"], ["NLL", "bits/dim"], ["FID"], ["NFE"]]
    console = Console(width=width, file=io.StringIO())
    console.print(terminal.Folded("digits", head, [Section("", [[Entry(cell) for cell in LONG]])]))
    return console.file.getvalue()


def test_a_narrow_terminal_gets_the_columns_below_one_another():
    for width in (61, 60, 50, 40, 24):
        out = folded(width)
        assert max(map(len, out.splitlines())) <= width
        for cell in LONG[1:]:  # whole: half a number is another number
            assert out.count(cell) == 1
    assert [folded(width).count("method  ") for width in (65, 64, 50)] == [1, 2, 2]


def test_cells_are_escaped_inside_their_bold_type():
    plain, best = Entry("a_b & 50%"), Entry("a_b & 50%", best=True)
    assert latex.cell(plain) == r"a\_b \& 50\%"
    assert latex.cell(best) == r"\textbf{a\_b \& 50\%}"
    assert markdown.cell(Entry("a|b*<i>")) == r"a\|b\*\<i\>"
    assert markdown.cell(Entry("a|b*<i>", best=True)) == r"**a\|b\*\<i\>**"


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999"), (758_080, "758 k"), (1_415_488, "1.42 M"), (3 * 10**9, "3 G")]
)
def test_parameter_counts(count, text):
    assert columns.si(count) == text


def test_a_store_without_families_has_its_table(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    forget_family(fill(tmp_path, run, NUMBERS))
    assert [row.family for row in build(tmp_path)] == [""]


def test_csv_is_the_frame_in_text(store):
    rows = build(store)
    frame = render.frame(rows)
    assert render.csv_table(rows) == frame.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def test_the_frame_for_python_users(store):
    frame = __import__("fmbench").frame(build(store))
    assert list(frame.columns) == list(render.CSV_COLUMNS)
    assert frame["n_seeds"].tolist() == [1, 3]


def test_bold_numbers_stand_where_plain_ones_would():
    def line(best):
        entries = [Entry("1.0", best), Entry("2"), Entry("3.0", best)]
        return list(row(["name"], entries, [5, 5, 5]))

    plain, bold = line(False), line(True)
    assert "".join(one.text for one in plain) == "".join(one.text for one in bold) == " name    1.0      2    3.0  \n"
    assert [one.text for one in bold if one.style] == ["1.0", "3.0"]
