"""The examples in docstrings are what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import fmbench

HOME = Path(fmbench.__file__).parent
SHOWN = [path for path in sorted(HOME.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_examples(path):
    module = importlib.import_module(".".join(path.relative_to(HOME.parent).with_suffix("").parts))
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0
