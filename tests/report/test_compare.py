"""Nobody is ranked apart whom the seeds do not tell apart."""

from __future__ import annotations

import json
import random
import re

import pytest
from scipy.special import stdtrit

from fmbench.report import render
from fmbench.report.cells import Cell, student
from fmbench.report.compare import Difference, paired, ranks
from fmbench.report.table import build
from tests.report.made_up import methods, text


def cell(*values, first=0):
    return Cell(dict(enumerate(values, start=first)), "", None, 1, ())


def apart(a, b):
    return ranks([a, b], "lower") != [(1, 2), (1, 2)]


def standing(rows, name="nll"):
    """Rank by method, as JSON has it."""
    said = json.loads(render.json_table(rows))
    return {
        row["method"]: number["rank"] and tuple(number["rank"])
        for row in said
        for number in row["numbers"]
        if number["name"] == name
    }


def bold(rows, names=None):
    """What is bold in Markdown, by method."""
    lines = text(rows, columns=names).splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if line.startswith("| ")]
    return {line[0]: [cell for cell in line if cell.startswith("**")] for line in cells[1:] if "*" not in line[0]}


class TestPaired:
    def test_what_a_seed_does_to_both_cancels(self):
        assert paired(cell(1, 5, 9), cell(0, 4, 8)) == Difference(1.0, 0.0)

    def test_it_is_over_the_seeds_in_common(self):
        difference = paired(cell(1, 2, 4), cell(1, 1, first=1))
        assert difference.mean == pytest.approx(2)
        assert difference.interval == pytest.approx(12.7062047)

    def test_one_seed_in_common_tells_nothing(self):
        assert paired(cell(1, 2), cell(1, 2, first=1)) is None
        assert paired(cell(1), cell(2)) is None


class TestApart:
    def test_both_tests_must_tell(self):
        assert apart(cell(1.0, 1.1, 1.2), cell(2.0, 2.1, 2.2))

    def test_a_common_effect_of_the_seeds_leaves_overlapping_intervals_together(self):
        a, b = cell(1, 5, 9), cell(0, 4, 8.01)
        difference = paired(a, b)
        assert abs(difference.mean) > difference.interval  # by pairs alone they would be apart
        assert not apart(a, b)

    def test_intervals_apart_do_not_suffice(self):
        a, b = cell(1.0, 1.2, 1.0, 1.2, 1.0, 1.2), cell(2.2, 1.6, 1.9, 1.9, 1.9, 1.9, first=4)
        assert b.mean - a.mean > a.interval + b.interval
        difference = paired(a, b)  # over two seeds
        assert abs(difference.mean) < difference.interval
        assert not apart(a, b)

    def test_without_a_seed_in_common_nothing_is_told(self):
        assert not apart(cell(1.0, 1.1, 1.2), cell(2.0, 2.1, 2.2, first=3))

    def test_equal_numbers_without_spread_are_together(self):
        assert not apart(cell(64, 64, 64), cell(64, 64, 64))
        assert apart(cell(64, 64, 64), cell(65, 65, 65))


class TestRanks:
    LOW, MIDDLE, HIGH = cell(1.0, 1.1, 1.2), cell(1.05, 1.1, 1.25), cell(3.0, 3.1, 3.2)

    def test_those_that_overlap_share_their_places(self):
        assert ranks([self.HIGH, self.LOW, self.MIDDLE], "lower") == [(3, 3), (1, 2), (1, 2)]

    def test_higher_may_be_better(self):
        assert ranks([self.HIGH, self.LOW, self.MIDDLE], "higher") == [(1, 1), (2, 3), (2, 3)]

    def test_nobody_is_first_beside_a_row_with_one_seed(self):
        assert ranks([self.LOW, self.HIGH, cell(9.0)], "lower") == [(1, 2), (2, 3), (1, 3)]

    @pytest.mark.parametrize("better", ["lower", "higher"])
    def test_they_are_those_of_a_comparison_of_every_two(self, better):
        """Whatever the seeds: all, some or none in common."""
        chance = random.Random(7)
        cells = [
            cell(*(place / 2 + chance.gauss(0, 0.3) for _ in range(chance.randint(1, 5))), first=chance.randint(0, 2))
            for place in range(40)
        ]

        def ahead(a, b):
            difference = paired(a, b)
            lower = a.mean < b.mean if better == "lower" else a.mean > b.mean
            sure = difference is not None and abs(difference.mean) > difference.interval
            return sure and lower and abs(a.mean - b.mean) > a.interval + b.interval

        expected = [(1 + sum(ahead(b, a) for b in cells), len(cells) - sum(ahead(a, b) for b in cells)) for a in cells]
        assert ranks(cells, better) == expected
        assert len(set(expected)) > 20


class TestTable:
    def test_overlapping_rows_are_not_ranked_apart_and_nobody_is_bold(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0, 1.1, 1.2]}, "ddpm": {"nll": [1.05, 1.16, 1.3]}}))
        assert standing(rows) == {"fm-ot": (1, 2), "ddpm": (1, 2)}
        assert bold(rows) == {"fm-ot": [], "ddpm": []}
        assert "Rank by NLL: ddpm 1–2, fm-ot 1–2." in text(rows)

    def test_separated_rows_are_ranked_and_the_first_is_bold_in_every_format(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0, 1.1, 1.2]}, "ddpm": {"nll": [2.0, 2.1, 2.2]}}))
        assert standing(rows) == {"fm-ot": (1, 1), "ddpm": (2, 2)}
        assert bold(rows) == {"fm-ot": ["**1.100 ± 0.248**"], "ddpm": []}
        assert "Rank by NLL: fm-ot 1, ddpm 2." in text(rows)
        assert re.findall(r"\\textbf\{.*?\}", text(rows, "latex")) == [r"\textbf{1.100 $\pm$ 0.248}"]

    def test_the_terminal_has_bold_type(self, tmp_path):
        import io

        from rich.console import Console

        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0, 1.1, 1.2]}, "ddpm": {"nll": [2.0, 2.1, 2.2]}}))
        console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=120)
        render.show(rows, "rich", console)
        assert "\x1b[1m1.100 ± 0.248" in console.file.getvalue()
        assert "\x1b[1m2.100 ± 0.248" not in console.file.getvalue()

    def test_json_has_the_differences_seed_by_seed(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0, 1.1]}, "ddpm": {"nll": [2.0, 2.1]}}))
        (number,) = json.loads(render.json_table(rows))[1]["numbers"]
        assert number["by_seed"] == {"0": 1.0, "1": 1.1}
        assert number["paired"] == {"ddpm": {"mean": pytest.approx(-1), "ci": pytest.approx(0, abs=1e-12)}}

    def test_json_of_many_rows_leaves_the_differences_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr(render, "PAIRED", 1)
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0, 1.1]}, "ddpm": {"nll": [2.0, 2.1]}}))
        (number,) = json.loads(render.json_table(rows))[1]["numbers"]
        assert (number["paired"], number["rank"]) == (None, [1, 2])

    def test_controls_are_not_ranked(self, tmp_path):
        fid = {"copycat": [0.1, 0.1, 0.1], "fm-ot": [1.0, 1.1, 1.2], "ddpm": [2.0, 2.1, 2.2]}
        rows = build(methods(tmp_path, {method: {"fid": values} for method, values in fid.items()}))
        assert standing(rows, "fid") == {"copycat": None, "fm-ot": (1, 1), "ddpm": (2, 2)}
        assert bold(rows) == {"copycat": [], "fm-ot": ["**1.10 ± 0.25**"], "ddpm": []}

    def test_one_row_beside_controls_is_no_winner(self, tmp_path):
        rows = build(methods(tmp_path, {"gaussian": {"nll": [3.0, 3.1]}, "fm-ot": {"nll": [1.0, 1.1]}}))
        assert set(standing(rows).values()) == {None}
        assert bold(rows)["fm-ot"] == []

    def test_more_may_be_better(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"recall": [0.5, 0.51]}, "ddpm": {"recall": [0.8, 0.81]}}))
        assert standing(rows, "recall") == {"fm-ot": (2, 2), "ddpm": (1, 1)}
        assert "recall ↑" in text(rows, columns=["recall"])
        assert r"recall $\uparrow$" in text(rows, "latex", ["recall"])
        assert bold(rows, ["recall"])["ddpm"] == ["**0.805 ± 0.064**"]

    def test_a_number_without_a_direction_is_not_ranked(self, tmp_path):
        ratios = {"fm-ot": {"nn-ratio": [0.5, 0.51]}, "ddpm": {"nn-ratio": [1.0, 1.01]}}
        rows = build(methods(tmp_path, ratios))
        assert set(standing(rows, "nn-ratio").values()) == {None}
        assert "| NN ratio |" in text(rows)  # no arrow

    def test_a_biased_likelihood_has_a_dagger_and_no_rank(self, tmp_path):
        nll = {"i-resnet": [1.0, 1.1, 1.2], "fm-ot": [2.0, 2.1, 2.2], "glow": [3.0, 3.1, 3.2]}
        values = {method: {"nll": each} for method, each in nll.items()}
        rows = build(methods(tmp_path, values, **{"i-resnet": "truncated", "glow": "exact"}))
        assert standing(rows) == {"i-resnet": None, "fm-ot": (1, 1), "glow": (2, 2)}
        said = text(rows)
        assert "1.100† ± 0.248" in said
        assert r"1.100$^\dagger$ $\pm$ 0.248" in text(rows, "latex")
        assert "† NLL of i-resnet: from a truncated power series, hence biased and not ranked." in said
        assert "NLL: exact for glow; along the probability-flow ODE for the rest without †." in said
        assert bold(rows)["i-resnet"] == []

    def test_datasets_are_ranked_apart(self, tmp_path):
        from tests.helpers import tiny_plan
        from tests.report.made_up import fill

        methods(tmp_path, {"fm-ot": {"nfe": [5.0, 5.0]}, "ddpm": {"nfe": [9.0, 9.0]}})
        for run in tiny_plan(methods=["edm"], dataset="moons", seeds=[0, 1]):
            fill(tmp_path, run, {"nfe": (1.0, "", "")})
        assert standing(build(tmp_path), "nfe") == {"fm-ot": (1, 1), "ddpm": (2, 2), "edm": None}

    def test_one_seed_each_says_why_there_are_no_ranks(self, tmp_path):
        rows = build(methods(tmp_path, {"fm-ot": {"nll": [1.0]}, "ddpm": {"nll": [2.0]}}))
        said = text(rows)
        assert "One training seed each: no intervals, hence no ranks and nothing in bold." in said
        assert "Rank by" not in said
        assert bold(rows) == {"fm-ot": [], "ddpm": []}
        assert set(standing(rows).values()) == {None}


def test_quantiles_are_scipys():
    for freedom in range(1, 15):
        assert student(freedom) == pytest.approx(stdtrit(freedom, 0.975), rel=1e-14)
