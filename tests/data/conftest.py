"""Small files in the place of the published ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmbench.data import sources


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Gives a module's source other digests; FMBENCH_DATA is the test's folder, nothing else is here, nor a network."""
    monkeypatch.setattr(sources, "PACKAGES", tmp_path / "packages")
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FMBENCH_DATA", str(tmp_path))

    def give(module, constant, digests):
        source = replace(getattr(module, constant), digests=digests, url=(tmp_path / "web").as_uri())
        monkeypatch.setattr(module, constant, source)

    return give
