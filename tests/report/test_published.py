"""Papers' numbers beside ours, and two rows beside each other."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fmbench.cli import app
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.report.differences import compared
from fmbench.report.published import against, load
from fmbench.report.table import build
from tests.helpers import tiny_plan
from tests.report.made_up import fill, methods, text


def lines(sheet):
    return [[entry.text for entry in line] for section in sheet.sections for line in section.lines]


class TestPublished:
    def test_every_number_is_one_and_every_method_is_ours_or_said_not_to_be(self):
        known = load()
        assert len(known) == 45
        assert all(float(printed) > 0 for one in known for printed in one.numbers.values() if printed)
        assert {one.method for one in known} - {spec.name for spec in load_plugins(environ={}).methods} == {"flow++"}

    @pytest.fixture
    def rows(self, tmp_path):
        values = {
            "fm-ot": {"nll": [2.2, 2.3], "fid": [1.0, 1.1], "nfe": [180.0, 182.0]},
            "gmm": {"nll": [2.6, 2.6]},
        }
        return build(methods(tmp_path, values))

    def test_each_paper_s_number_stands_beside_ours(self, rows):
        (sheet,) = against(rows, "cifar10")
        assert [section.title.partition(" (")[0] for section in sheet.sections] == [
            "Lipman et al. 2023",
            "Tong et al. 2024",
        ]
        lipman, tong = lines(sheet)
        assert lipman == ["fm-ot", "2.250 ± 0.635", "2.99", "1.05 ± 0.64", "6.35", "181.0 ± 12.7", "142", "FM w/ OT"]
        assert tong[2:5] == ["–", "1.05 ± 0.64", "3.655"]

    def test_what_differs_in_the_measurement_is_named(self, rows):
        (sheet,) = against(rows, "cifar10")
        said = sheet.below()
        assert "[a] NLL: K=50; ours: K=1." in said
        assert "[b] FID: on Inception features; ours: on those of digits-v1." in said
        assert "The papers' numbers are on cifar10, ours on digits: compare the order, never the values." in said

    def test_equal_protocols_need_no_footnote(self, tmp_path):
        (run,) = tiny_plan("nll.draws=50", methods=["fm-ot"])
        fill(tmp_path, run, {"nll": (3.0, "bits/dim", "pf-ode"), "fid": (6.0, "", "inception"), "nfe": (140.0, "", "")})
        (sheet,) = against(build(tmp_path), "cifar10")
        assert not any(entry.marks for entry in sheet.sections[0].lines[0][:-1])

    def test_another_solver_is_named(self, tmp_path):
        (run,) = tiny_plan(methods=["edm"])
        fill(tmp_path, run, {"fid": (6.0, "", "inception"), "nfe": (140.0, "", "")})
        (sheet,) = against(build(tmp_path), "cifar10")
        assert "[b] NFE: samples by Heun 18 steps; ours: by dopri5." in sheet.below()

    def test_data_that_no_paper_reports_are_an_error_that_says_what_there_is(self, rows):
        with pytest.raises(
            FmbenchError, match=r"no published numbers of these methods on digits: .*cifar10.*published:"
        ):
            against(rows)
        with pytest.raises(FmbenchError, match="Did you mean 'cifar10'"):
            against(rows, "cifar")

    @pytest.mark.parametrize("form", ["rich", "md", "latex", "html", "csv", "json"])
    def test_in_every_format(self, rows, tmp_path, form):
        said = ["table", "--results-dir", str(tmp_path), "--format", form, "--against", "published:cifar10"]
        assert "3.655" in CliRunner().invoke(app, said, env={"COLUMNS": "200"}).output


class TestCompared:
    @pytest.fixture
    def rows(self, tmp_path):
        values = {
            "fm-ot": {"nll": [1.0, 1.1, 1.2], "fid": [1.0, 1.2, 1.4], "kid": [0.1, 0.1, 0.1]},
            "ddpm": {"nll": [2.0, 2.1, 2.2], "fid": [1.1, 1.2, 1.3], "recall": [0.5, 0.5, 0.5]},
        }
        return build(methods(tmp_path, values))

    def test_differences_are_paired_by_seed(self, rows):
        (sheet,) = compared(rows, "fm-ot", "ddpm")
        nll, fid = lines(sheet)
        assert nll == ["NLL ↓ (bits/dim, K=1)", "1.100 ± 0.248", "2.100 ± 0.248", "-1.000 ± 0.000", "3", "fm-ot"]
        assert fid[3:] == ["+0.00 ± 0.25", "3", "not told apart"]

    def test_the_sign_turns_with_the_order(self, rows):
        (sheet,) = compared(rows, "ddpm", "fm-ot")
        assert lines(sheet)[0][3:] == ["+1.000 ± 0.000", "3", "fm-ot"]

    def test_numbers_that_one_of_them_lacks_are_named(self, rows):
        from fmbench.report.view import View

        (sheet,) = compared(rows, "fm-ot", "ddpm", View({"nll", "kid", "recall"}))
        assert len(lines(sheet)) == 1
        assert "Not of both, or not under one protocol: KID, recall." in sheet.below()

    def test_one_seed_tells_nothing(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0]}, "ddpm": {"nll": [2.0]}}))
        (sheet,) = compared(rows, "fm-ot", "ddpm")
        assert lines(sheet)[0][3:] == ["–", "1", "fewer than two seeds in common"]

    def test_higher_may_be_better_and_a_biased_number_is_not_compared(self, tmp_path):
        values = {
            "i-resnet": {"nll": [1.0, 1.1], "recall": [0.5, 0.51]},
            "fm-ot": {"nll": [2.0, 2.1], "recall": [0.6, 0.61]},
        }
        rows = build(methods(tmp_path, values, **{"i-resnet": "truncated"}))
        from fmbench.report.view import View

        (sheet,) = compared(rows, "fm-ot", "i-resnet", View({"nll", "recall"}))
        assert [line[-1] for line in lines(sheet)] == ["biased: not compared", "fm-ot"]

    def test_unknown_and_ambiguous_names_are_refused(self, rows, tmp_path):
        with pytest.raises(FmbenchError, match=r"unknown row 'ddm'\. Did you mean 'ddpm'\?"):
            compared(rows, "fm-ot", "ddm")
        for rate in (0.5, 0.6):
            (swept,) = tiny_plan(f"train.lr={rate}", methods=["glow"])
            fill(tmp_path, swept, {"nll": (3.0, "bits/dim", "pf-ode")})
        said = r"several rows are of 'glow': say which of 'glow \[train.lr=0.5\]', 'glow \[train.lr=0.6\]'"
        with pytest.raises(FmbenchError, match=said):
            compared(build(tmp_path), "fm-ot", "glow")
        assert compared(build(tmp_path), "fm-ot", "glow [train.lr=0.6]")

    def test_no_dataset_with_both_is_an_error(self, rows, tmp_path):
        (planar,) = tiny_plan(methods=["maf"], dataset="moons")
        fill(tmp_path, planar, {"w2": (0.3, "", "", 2000)})
        with pytest.raises(FmbenchError, match="no dataset of this store has both"):
            compared(build(tmp_path), "fm-ot", "maf")

    def test_on_the_command_line(self, rows, tmp_path):
        said = ["table", "--results-dir", str(tmp_path), "--format", "md"]
        output = CliRunner().invoke(app, [*said, "--compare", "fm-ot", "ddpm", "--columns", "fid"]).output
        assert "| FID ↓ (digits-v1, n=100) | 1.20 ± 0.50 | 1.20 ± 0.25 | +0.00 ± 0.25 | 3 | not told apart |" in output
        wrong = CliRunner().invoke(app, [*said, "--compare", "fm-ot", "ddpm", "--against", "published"])
        assert "give one of them" in str(wrong.exception)
        wrong = CliRunner().invoke(app, [*said, "--against", "papers"])
        assert "write published" in str(wrong.exception)


def test_a_table_against_itself_has_no_marks(tmp_path):
    assert "‡" not in text(build(methods(tmp_path, {"fm-ot": {"nll": [1.0]}, "ddpm": {"nll": [2.0]}})))
