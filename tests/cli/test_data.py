"""fmbench data, and what keeps the commands off the network."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fmbench import cli
from fmbench.errors import FmbenchError
from fmbench.execution import OFFLINE


@pytest.fixture
def call(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        result = CliRunner().invoke(cli.app, ["data", *arguments], catch_exceptions=False, standalone_mode=False)
        if result.exception:
            raise result.exception
        return result.output

    return run


def facts(output):
    lines = [line.strip().split(maxsplit=1) for line in output.splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_it_says_what_the_digits_are_and_draws_them(call, tmp_path):
    found = facts(call("digits"))
    assert found["point"] == "1 x 8 x 8, 17 levels"
    assert (found["train"], found["test"]) == ("1,437 points", "360 points")
    assert found["licence"] == "UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    assert found["classes"].startswith("10; training points of each: 142, ")
    assert found["where"] == "made anew each time"
    assert found["SHA-256"].startswith("5e977f9ff424")
    assert found["wrote"] == "data-digits.png"
    with Image.open(tmp_path / "data-digits.png") as picture:
        shades = np.asarray(picture.convert("L"))
    half = shades.shape[1] // 2
    assert (shades[:, :half] < 128).mean() > 0.05
    assert (shades[:, half:] < 128).mean() > 0.05


def test_points_of_a_known_density(call):
    found = facts(call("moons", "--output", "moons.svg"))
    assert found["density"].startswith("known; entropy ")
    assert found["wrote"] == "moons.svg"


@pytest.mark.parametrize("key", ["data.images.path", "dataset.path"])
def test_a_folder_of_pictures_lies_where_it_was_prepared(call, tmp_path, key):
    (tmp_path / "mine").mkdir()
    for i in range(6):
        Image.fromarray(np.full((8, 8), 40 * (i // 2), np.uint8)).save(tmp_path / "mine" / f"{i}.png")
    output = call("images", "--set", f"{key}=mine", "--set", "data.images.test_every=2")
    found = facts(output)
    assert found["where"].startswith(str(tmp_path / "cache" / "images" / "prepared-"))
    assert "3 of the test points are training points too" in output


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_table_of_any_width(call, tmp_path, columns):
    rows = np.random.default_rng(0).normal(size=(40, columns))
    names = ",".join("abc"[:columns])
    np.savetxt(tmp_path / "it.csv", rows, delimiter=",", header=names, comments="")
    assert facts(call("table", "--set", "data.table.path=it.csv"))["where"] == "it.csv"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("digitz",), "unknown dataset 'digitz'. Did you mean 'digits'"),
        (("images",), "images needs data.images.path"),
        (("digits", "--set", "train.steps=3"), r"this command takes data\.digits\.KEY alone"),
        (("images", "--set", "data.hf.path=x"), r"this command takes data\.images\.KEY alone"),
        (("digits", "--output", "it.gif"), "end it in .pdf, .png, .svg"),
    ],
)
def test_what_makes_no_sense_is_one_line(call, arguments, text):
    with pytest.raises(FmbenchError, match=text):
        call(*arguments)


def test_offline_is_told_to_every_process_of_the_command(call, monkeypatch):
    monkeypatch.setenv(OFFLINE, "")  # so that it is put back
    with pytest.raises(FmbenchError, match=f"cannot fetch .*{OFFLINE} is set"):
        call("mnist", "--offline")
    assert os.environ[OFFLINE] == "1"
