from __future__ import annotations

import pytest

from tests.helpers import tiny_plan


@pytest.fixture(scope="module")
def runs():
    return tiny_plan(methods=["fm-ot", "ddpm"], seeds=[0, 1])


@pytest.fixture
def run(runs):
    return runs[0]


@pytest.fixture
def stores(tmp_path):
    return tmp_path / "here", tmp_path / "there"
