"""A metric that a plugin brings has head, rank and floor like the shipped ones, also where the plugin is absent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from fmbench.registry.discovery import load_plugins
from fmbench.report.render import show
from fmbench.report.table import build
from fmbench.report.view import View
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

FILE = Path(__file__).parent / "spread.py"
APART = {"fm-ot": 0.1, "rectified-flow": 0.4}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two methods of three seeds, measured by the plugin, with values that lie apart."""
    root, plugins = tmp_path_factory.mktemp("spread"), load_plugins([FILE], environ={})
    runs = tiny_plan(plugins=plugins, methods=list(APART), seeds=[0, 1, 2], dataset="moons", metrics=["spreads"])
    assert carry_out(runs, root, plugins).complete
    for run in runs:
        directory = RunDirectory.of(root, run)
        value = APART[run.training.method.name] + run.training.seed / 1000
        changed = [structs.replace(one, value=value) for one in directory.metrics() if one.name != "spread-floor"]
        directory.add_metrics([*changed, *(one for one in directory.metrics() if one.name == "spread-floor")])
    return root


def text(root, form, **view):
    console = Console(file=io.StringIO(), width=160)
    show(build(root), form, console, View(**view))
    return console.file.getvalue()


def test_its_head_and_decimals_are_those_of_the_spec(store):
    for form in ("rich", "md"):
        shown = text(store, form)
        assert "Spread ↓" in shown
        assert "nats" in shown
        assert "0.10100" in shown


def test_the_best_is_bold(store):
    rows = text(store, "md").splitlines()
    assert any("fm-ot" in row and "**0.10100" in row for row in rows)
    assert r"\textbf{0.10100" in text(store, "latex")


def test_it_has_ranks(store):
    rows = json.loads(text(store, "json"))
    ranks = {row["method"]: one["rank"] for row in rows for one in row["numbers"] if one["name"] == "spread"}
    assert ranks == {"fm-ot": [1, 1], "rectified-flow": [2, 2]}


def test_its_floor_is_a_note_and_no_column(store):
    shown = " ".join(text(store, "md").split())
    assert "Training points (n=0) set the floor: Spread 0." in shown
    assert "spread-floor" not in shown


def test_what_it_did_not_declare_stands_under_its_name_unranked(store):
    assert "plain |" in text(store, "md")
    numbers = json.loads(text(store, "json"))[0]["numbers"]
    assert [one["rank"] for one in numbers if one["name"] == "plain"] == [None]


def test_it_is_chosen_as_a_column_and_sorted_by(store):
    assert text(store, "csv", columns=("spread",)).splitlines()[0].count("spread") == 2


def test_records_of_shipped_numbers_stay_as_they_were(store, tmp_path):
    plugins = load_plugins(environ={})
    (run,) = tiny_plan(plugins=plugins, methods=["fm-ot"], metrics=["nfe"])
    assert carry_out([run], tmp_path, plugins).complete
    lines = (RunDirectory.of(tmp_path, run).path / "metrics.jsonl").read_text().splitlines()
    assert all("number" not in json.loads(line) for line in lines)


def test_info_shows_its_numbers(capsys):
    from fmbench.cli import info

    info.command("spreads", plugin=[FILE])
    shown = " ".join(capsys.readouterr().out.split())
    assert "spread Spread nats lower" in shown
