"""Which rows a table shows, and in which order."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fmbench.errors import FmbenchError
from fmbench.report.sheet import sheets
from fmbench.report.table import build
from fmbench.report.view import View, arranged, select
from fmbench.store.records import NOT_APPLICABLE
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number

VALUES = {"fm-ot": (2.2, 180.0), "fm-vp": (2.4, 280.0), "ddpm": (2.4, 350.0), "glow": (2.1, 1.0)}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    for method, (nll, nfe) in VALUES.items():
        (run,) = tiny_plan(methods=[method])
        fill(root, run, {"nll": (nll, "bits/dim", "pf-ode"), "nfe": (nfe, "", "")})
    (swept,) = tiny_plan("train.lr=0.5", methods=["fm-ot"])
    fill(root, swept, {"nfe": (170.0, "", "")})
    (smld,) = tiny_plan(methods=["smld"])
    fill(root, smld, [number(smld, "nll", None, reason=NOT_APPLICABLE)], "failed", "no")
    (planar,) = tiny_plan(methods=["ddpm"], dataset="moons")
    fill(root, planar, {"w2": (0.3, "", "", 2000)})
    return build(root)


def picked(rows, methods=(), *conditions):
    return [(row.request.dataset.name[0], row.label.split()[0]) for row in select(rows, methods, conditions)]


class TestRows:
    def test_patterns_and_names(self, rows):
        assert {name for _, name in picked(rows, ["fm-*", "glow"])} == {"fm-ot", "fm-vp", "glow"}

    def test_a_name_that_no_row_has_is_refused_with_its_nearest(self, rows):
        with pytest.raises(FmbenchError, match=r"unknown method of this store 'gloww'\. Did you mean 'glow'\?"):
            select(rows, ["gloww"], [])


class TestConditions:
    @pytest.mark.parametrize(
        ("condition", "kept"),
        [
            ("nfe<200", ["fm-ot", "fm-ot", "glow"]),
            ("nfe<=180", ["fm-ot", "fm-ot", "glow"]),
            ("nfe<180", ["fm-ot", "glow"]),
            ("nfe>=350", ["ddpm"]),
            ("nll = 2.4", ["ddpm", "fm-vp"]),
            ("nll!=2.4", ["fm-ot", "fm-ot", "glow", "smld", "ddpm"]),
            ("family=diffusion", ["ddpm", "smld", "ddpm"]),
            ("status=failed", ["smld"]),
            ("train.lr=0.50", ["fm-ot"]),
            ("method=glow", ["glow"]),
            ("params>1e6", ["ddpm", "fm-ot", "fm-ot", "fm-vp", "glow", "smld", "ddpm"]),
            ("w2>0", ["ddpm"]),
        ],
    )
    def test_a_row_must_meet_it(self, rows, condition, kept):
        assert [name for _, name in picked(rows, (), condition)] == kept

    def test_a_row_must_meet_them_all(self, rows):
        assert [name for _, name in picked(rows, (), "nll=2.4", "nfe>300")] == ["ddpm"]

    @pytest.mark.parametrize(
        ("condition", "said"),
        [
            ("nfe", "write a name, a sign and a value"),
            ("nfee<3", "unknown name in --filter 'nfee'. Did you mean 'nfe'"),
            ("nfe<many", "'many' is no number"),
            ("family<3", "which is no number"),
            ("nfe<0", "no row meets it"),
            ("fid-floor<1", "unknown name in --filter"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, rows, condition, said):
        with pytest.raises(FmbenchError) as refused:
            select(rows, [], [condition])
        assert said in str(refused.value)


class TestOrder:
    @pytest.mark.parametrize(
        ("sort", "order"),
        [
            ("nll", ["glow", "fm-ot", "ddpm", "fm-vp", "fm-ot", "smld", "ddpm"]),
            ("-nll", ["ddpm", "fm-vp", "fm-ot", "glow", "fm-ot", "smld", "ddpm"]),
            ("-nfe", ["ddpm", "fm-vp", "fm-ot", "fm-ot", "glow", "smld", "ddpm"]),
            ("family", ["ddpm", "smld", "fm-ot", "fm-ot", "fm-vp", "glow", "ddpm"]),
        ],
    )
    def test_by_number_or_word_those_without_it_last_and_datasets_apart(self, rows, sort, order):
        assert [row.request.method.name for row in arranged(rows, View(sort=sort))] == order

    def test_a_sorted_table_is_not_divided_by_family(self, rows):
        assert [section.title for section in sheets(rows)[0].sections] == [
            "diffusion",
            "flow matching",
            "normalizing flow",
        ]
        (section,) = sheets(rows, View(sort="nll"))[0].sections
        assert (section.title, section.lines[0][0].text) == ("", "glow")

    def test_an_unknown_name_is_refused(self, rows):
        with pytest.raises(FmbenchError, match="unknown name in --sort 'nlll'"):
            arranged(rows, View(sort="nlll"))


def test_on_the_command_line(tmp_path):
    from fmbench.cli import app

    for method, (nll, nfe) in VALUES.items():
        (run,) = tiny_plan(methods=[method])
        fill(tmp_path, run, {"nll": (nll, "bits/dim", "pf-ode"), "nfe": (nfe, "", "")})
    said = ["table", "--results-dir", str(tmp_path), "--format", "csv"]
    said += ["--rows", "fm-*,ddpm", "--filter", "nfe<300", "--filter", "nfe>1", "--sort", "-nll"]
    lines = CliRunner().invoke(app, said).output.splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["fm-vp", "fm-ot"]
