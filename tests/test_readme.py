"""What the README tells people to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
from typer.testing import CliRunner

from fmbench import commands
from fmbench.cli import app
from fmbench.registry.discovery import load_plugins
from fmbench.report import table
from fmbench.request.values import seeds_of
from tests.helpers import carry_out, tiny_plan
from tests.report.made_up import text

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
METHODS = (Path(__file__).parent.parent / "docs" / "methods.md").read_text(encoding="utf-8")
REFERENCE = Path(__file__).parent.parent / "results" / "reference"
RUNS = re.findall(r"^fmbench run ([^#\n]*)", README, flags=re.MULTILINE)


@pytest.fixture
def example(tmp_path):
    """The example plugin, word for word."""
    path = tmp_path / "my_method.py"
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    path.write_text(code)
    return path


def test_the_example_plugin_runs(example, tmp_path):
    plugins = load_plugins([example], environ={})
    assert plugins.broken == []
    runs = tiny_plan(plugins=plugins, methods=["my-method", "fm-ot"])
    assert carry_out(runs, tmp_path / "results", plugins).complete


@pytest.mark.parametrize("line", RUNS)
def test_every_run_command_resolves(example, line):
    words = [word for word in shlex.split(line) if word != "--dry-run"]
    said = dict(zip(words[::2], words[1::2], strict=True))
    runs = commands.plan(
        load_plugins([example], environ={}),
        config=said.get("--config"),
        dataset=said.get("--dataset"),
        methods=said["--methods"].split(",") if "--methods" in said else None,
        seeds=seeds_of(said["--seeds"]) if "--seeds" in said else None,
        assignments=[said["--set"]] if "--set" in said else [],
        sweep=[said["--sweep"]] if "--sweep" in said else [],
        task=said.get("--task"),
    )
    assert runs


def test_there_are_commands_to_test():
    assert len(RUNS) >= 4


@pytest.mark.parametrize(
    ("dataset", "page"), [("digits", README), ("8gaussians", README), ("fashion-mnist-sr", METHODS)]
)
def test_tables_are_those_of_the_reference_results(dataset, page):
    """`fmbench table --results-dir results/reference --dataset NAME --format md`, to the byte."""
    block = re.search(f"<!-- table {dataset} -->\n(.*?)<!-- /table -->", page, flags=re.DOTALL)
    assert block is not None
    assert block[1] == text(table.build(REFERENCE, [dataset]))


PLOTS = re.findall(r"^fmbench (plot .*--results-dir results/reference .*)$", README, flags=re.MULTILINE)


@pytest.mark.parametrize("line", PLOTS)
def test_its_figures_are_those_of_the_reference_results(line, tmp_path):
    """To the byte, by the matplotlib that drew them."""
    *words, path = shlex.split(line.replace("results/reference", str(REFERENCE)))
    committed = Path(__file__).parent.parent / path
    if f"Matplotlib v{mpl.__version__}," not in committed.read_text(encoding="utf-8"):
        pytest.skip("drawn by another version of matplotlib")
    drawn = tmp_path / committed.name
    done = CliRunner().invoke(app, [*words, str(drawn)])
    assert done.exit_code == 0, done.output
    assert drawn.read_bytes() == committed.read_bytes()


def test_there_are_three_figures():
    assert len(PLOTS) == 3


def guided(word, folder):
    """The plugins with the one of the guide whose code has this word."""
    guide = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL) if word in block)
    path = folder / f"{word.lower()}.py"
    path.write_text(code)
    plugins = load_plugins([path], environ={})
    assert plugins.broken == []
    return plugins


def test_the_sampler_of_the_plugin_guide_samples(tmp_path):
    plugins = guided("SamplerSpec", tmp_path)
    asked = ("sampler.name=ab2", "sampler.weight=1.6")
    runs = tiny_plan(*asked, plugins=plugins, methods=["fm-ot", "ddpm"], metrics=["nfe"])
    outcome = carry_out(runs, tmp_path / "results", plugins)
    assert [next(iter(row.cells.values())).mean for row in outcome.rows] == [20, 20]


def test_the_metric_of_the_plugin_guide_measures(tmp_path):
    plugins = guided("Brightness", tmp_path)
    runs = tiny_plan(plugins=plugins, methods=["copycat"], metrics=["brightness"])
    outcome = carry_out(runs, tmp_path / "results", plugins)
    assert outcome.complete
    cells = {column.number.label: cell for column, cell in outcome.rows[0].cells.items()}
    assert 4 < cells["ink"].mean < 6  # of 16; the digits' ink
    assert cells["ink error"].mean < 0.5
