from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corruptions():
    spec = importlib.util.spec_from_file_location("corruptions", ROOT / "benchmarks" / "corruptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits(corruptions):
    return corruptions.table("digits")


def test_each_fault_is_seen_and_the_worse_the_more(digits):
    rows = [line.strip("| ").split(" | ") for line in digits.splitlines()[2:]]
    ratio = {what: float(value) for what, _, _, value in rows}
    mild = ["none (the floor)", "noise, σ = 0.1", "noise, σ = 0.3", "one class of ten dropped", "five classes dropped"]
    assert [ratio[what] for what in mild] == sorted(ratio[what] for what in mild)
    assert ratio["noise, σ = 0.1"] > 1.2
    assert ratio["one class of ten dropped"] > 5
    assert min(ratio["a Gaussian of the training pixels"], ratio["3 × 3 blur"]) > 50
    assert ratio["copies of training images"] <= 1


def test_the_documented_table_is_what_it_prints(digits):
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"<!-- corruptions -->\n(.*?)<!-- /corruptions -->", text, flags=re.DOTALL)
    assert documented.startswith(digits + "\n")
