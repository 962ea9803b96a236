"""fmbench plot: it teaches, names its file sensibly, and answers a wrong word before any work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fmbench import cli
from fmbench.report.figures import KINDS
from tests.report.made_up import methods

NUMBERS = {"fm-ot": {"fid": [1.0, 1.2], "nfe": [180.0, 184.0]}, "ddpm": {"fid": [4.0, 4.4], "nfe": [350.0, 354.0]}}


@pytest.fixture
def fmbench(monkeypatch, capsys, tmp_path):
    """The command line in this process and an empty folder: (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments):
        monkeypatch.setattr(sys, "argv", ["fmbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    return invoke


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_help_teaches_every_kind(fmbench):
    code, out, _ = fmbench("plot", "--help")
    assert code == 0
    for name, kind in KINDS.items():
        assert f"{name} " in out
        assert kind.summary[:30] in out
    assert "--rows" in out


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_loaded(name):
    assert callable(KINDS[name].load())


def test_the_file_is_named_after_the_kind_and_the_only_dataset(fmbench, tmp_path):
    methods(tmp_path / "results", NUMBERS)
    assert fmbench("plot", "pareto", "--cost", "nfe", "--rows", "fm-*,ddpm") == (0, "wrote pareto-digits.png\n", "")
    assert files(tmp_path) == ["pareto-digits.png", "results"]


def test_output_says_what_to_write_and_where(fmbench, tmp_path):
    methods(tmp_path / "store", NUMBERS)
    code, _, _ = fmbench("plot", "nfe", "--results-dir", "store", "--output", "figures/a.svg")
    assert code == 0
    assert (tmp_path / "figures" / "a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pareto", "--output", "a.gif", "--results-dir", "elsewhere"], "--output 'a.gif': end it in .pdf, .png, .svg"),
        (["paretto"], "unknown kind of figure 'paretto'. Did you mean 'pareto'?"),
        (["samples", "--cost", "nfe"], "--cost with 'samples': leave it out, it is heeded by pareto only"),
        (["nfe", "--rows", "fm-oh"], "unknown method of this store 'fm-oh'. Did you mean 'fm-ot'?"),
        (["nfe", "--number", "nfd"], "unknown number of digits 'nfd'. Did you mean 'nfe'?"),
        (["nfe", "--dataset", "moons"], "no runs in 'results' for dataset moons"),
        (["nfe", "--results-dir", "elsewhere"], "no runs in 'elsewhere': run 'fmbench run' first"),
    ],
)
def test_a_wrong_word_is_one_line_and_writes_nothing(fmbench, tmp_path, arguments, message):
    methods(tmp_path / "results", NUMBERS)
    code, out, err = fmbench("plot", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert files(tmp_path) == ["results"]


def test_several_datasets_are_named_to_choose_from(fmbench, tmp_path):
    methods(tmp_path / "results", NUMBERS)
    (tmp_path / "results" / "moons" / "fm-ot" / "default-0" / "seed-0").mkdir(parents=True)
    (tmp_path / "results" / "moons" / "fm-ot" / "default-0" / "seed-0" / "run.json").touch()
    code, _, err = fmbench("plot", "nfe")
    assert code == 2
    assert "runs of digits, moons in 'results': choose one by --dataset" in err


def test_neither_the_help_nor_a_wrong_kind_waits_for_what_draws():
    script = "import sys; from fmbench.report.figures import KINDS; print(sorted({*sys.modules} & {*'%s'.split()}))"
    code = script % "matplotlib numpy pydantic torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
