"""What a table says that its rows were given alike."""

from __future__ import annotations

import pytest

from fmbench import commands
from fmbench.registry.discovery import load_plugins
from fmbench.report import table
from fmbench.report.budget import budget_lines, grouped
from fmbench.report.notes import training_line
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory
from tests import helpers
from tests.helpers import tiny_plan


def store(root, spent, *assignments):
    """Runs of made-up cost: {method: summary's fields}."""
    for method, cost in spent.items():
        (run,) = tiny_plan(*assignments, methods=[method])
        directory = RunDirectory.of(root, run)
        directory.create(run)
        known = {"params": 5, "images_per_second": 1, "peak_memory_bytes": 1, "final_loss": 1}
        directory.set_training(TrainingSummary(**known, **cost))
    return table.build(root)


def cost(steps=6, images=96, seconds=10.0, flops=1e12):
    return {"steps": steps, "images": images, "seconds": seconds, "flops": flops}


@pytest.mark.parametrize(
    ("spent", "line"),
    [
        ((cost(), cost(seconds=10.4, flops=1.009e12)), "Equal budget: 6 steps, 96 images, 10 seconds, 1e+12 FLOPs."),
        (
            (cost(), cost(seconds=20.0, flops=1.02e12)),
            "Equal budget: 6 steps, 96 images; different: seconds (10 to 20), FLOPs (1e+12 to 1.02e+12).",
        ),
        (
            (cost(), cost(steps=12, images=614_400, seconds=10.6, flops=None)),
            "No budget is equal: steps (6 to 12), images (96 to 614 400), seconds (10 to 11).",
        ),
        (
            (cost(steps=9, images=100), cost(steps=7, images=90)),
            "Equal budget: 10 seconds, 1e+12 FLOPs; different: steps (7 to 9), images (90 to 100).",
        ),
        (
            (cost(), cost(images=192), cost()),
            "Equal budget: 6 steps, 96 images (but for ddpm), 10 seconds, 1e+12 FLOPs.",
        ),
    ],
)
def test_it_says_what_was_equal(tmp_path, spent, line):
    methods = ("fm-ot", "ddpm", "edm")
    rows = store(tmp_path, dict(zip(methods, spent, strict=False)))
    assert budget_lines(rows) == [line]


def test_rows_that_make_no_steps_are_left_out(tmp_path):
    rows = store(tmp_path, {"fm-ot": cost(), "ddpm": cost()})
    (copycat,) = tiny_plan(methods=["copycat"])
    directory = RunDirectory.of(tmp_path, copycat)
    directory.create(copycat)
    directory.set_training(
        TrainingSummary(
            params=0, images_per_second=1, peak_memory_bytes=1, final_loss=None, images=7, seconds=0.1, flops=None
        )
    )
    assert budget_lines(table.build(tmp_path)) == budget_lines(rows)
    assert budget_lines(rows[:1]) == []


def test_runs_that_do_not_know_their_steps_have_those_of_their_request(tmp_path):
    rows = store(tmp_path, {"fm-ot": cost(steps=None), "ddpm": cost()})
    assert budget_lines(rows)[0].startswith("Equal budget: 6 steps")


def test_the_length_of_a_training_is_in_the_unit_that_was_asked_for(tmp_path):
    plain = training_line(store(tmp_path / "plain", {"fm-ot": cost()})[0])
    assert plain.startswith("6 steps of 16;")
    kept = tuple(text for text in helpers.TINY if not text.startswith("train.steps"))
    for unit, said in (("seconds=60", "60 s in steps of 16;"), ("flops=2e12", "2e+12 FLOPs in steps of 16;")):
        asked = [*kept, f"budget.{unit}"]
        (run,) = commands.plan(load_plugins(environ={}), assignments=asked, methods=["fm-ot"])
        directory = RunDirectory.of(tmp_path / unit, run)
        directory.create(run)
        assert training_line(table.build(tmp_path / unit)[0]).startswith(said)


def test_large_numbers_are_grouped():
    assert [grouped(value) for value in (7, 2400, 614_400, 1_228_800)] == ["7", "2400", "614 400", "1 228 800"]
