"""What is in its documented range and yet does not fit the data is refused when the request is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmbench import commands
from fmbench.api import DatasetSpec, MetricSpec
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins


@pytest.fixture(scope="module")
def plugins():
    loaded = load_plugins(environ={})
    moons = loaded.datasets.get("moons")
    loaded.register(replace(moons, name="space", shape=(3,)))
    loaded.register(replace(moons, name="somewhere", shape=()))
    loaded.register(DatasetSpec("wide", "x:Y", kind="image", shape=(1, 6, 10)))
    loaded.register(DatasetSpec("unknown", "x:Y", kind="image"))
    return loaded


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            {"methods": ["glow"], "assignments": ["options.glow.levels=4"]},
            "options.glow: levels = 4: both sides of an image must be multiples of 16, not data of shape (1, 8, 8)",
        ),
        (
            {"methods": ["fm-ot"], "assignments": ["network.name=unet", "network.multipliers=1,2,2,2,2"]},
            "network.name = 'unet': needs square images with a side divisible by 16, not data of shape (1, 8, 8)",
        ),
        (
            {"methods": ["fm-ot"], "dataset": "wide", "assignments": ["network.name=unet"]},
            "needs square images with a side divisible by 2, not data of shape (1, 6, 10)",
        ),
        (
            {"methods": ["i-cfm"], "assignments": ["options.i-cfm.source=moons"]},
            "options.i-cfm.source = 'moons': moons is vector data (2,), and digits is image data (1, 8, 8)",
        ),
        (
            {"methods": ["i-cfm"], "dataset": "space", "assignments": ["options.i-cfm.source=moons"]},
            "options.i-cfm.source = 'moons': moons is vector data (2,), and space is vector data (3,)",
        ),
    ],
)
def test_it_is_one_line(plugins, said, text):
    with pytest.raises(FmbenchError) as caught:
        commands.plan(plugins, **said)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        {"methods": ["glow"], "assignments": ["options.glow.levels=3"]},
        {
            "methods": ["glow"],
            "dataset": "unknown",
            "assignments": ["options.glow.levels=9"],
        },  # found out when it is built
        {"methods": ["fm-ot"], "assignments": ["network.name=unet", "network.multipliers=1,2,2,2"]},
        {"methods": ["i-cfm"], "dataset": "moons", "assignments": ["options.i-cfm.source=8gaussians"]},
        {"methods": ["i-cfm"], "dataset": "somewhere", "assignments": ["options.i-cfm.source=moons"]},
    ],
)
def test_what_fits_or_cannot_be_known_is_not(plugins, said):
    assert commands.plan(plugins, **said)


def test_a_metric_whose_package_is_not_installed_is_refused_where_it_is_named(monkeypatch):
    plugins = load_plugins(environ={})
    plugins.register(MetricSpec("own", "x:Y", package="no_such_package"))
    assert commands.plan(plugins, methods=["fm-ot"])  # among the default metrics it is a cell without a number
    with pytest.raises(FmbenchError, match="metrics: own needs no_such_package, which is not here: pip install no_s"):
        commands.plan(plugins, methods=["fm-ot"], metrics=["own"])
    monkeypatch.setattr("fmbench.request.resolution.find_spec", lambda name: None if name == "torchode" else name)
    with pytest.raises(FmbenchError, match="metrics: nfe-per-sample needs torchode"):
        commands.plan(plugins, methods=["fm-ot"], metrics=["nfe", "nfe-per-sample"])


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ({"train.steps": -5}, "brings a default that cannot be: train.steps = -5: must be greater than or equal to 1"),
        ({"train.steps": "many"}, "train.steps = 'many': must be a valid integer"),
        ({"fid.featurs": "inception"}, "unknown key of fid 'featurs'. Did you mean 'features'"),
    ],
)
@pytest.mark.parametrize("kind", ["method", "dataset"])
def test_defaults_that_are_brought_are_values_that_are_accepted(kind, budget, text):
    plugins = load_plugins(environ={})
    registry = {"method": plugins.methods, "dataset": plugins.datasets}[kind]
    plugins.register(replace(registry.get({"method": "fm-ot", "dataset": "moons"}[kind]), name="mine", budget=budget))
    said = {"method": "methods", "dataset": "dataset"}[kind]
    with pytest.raises(FmbenchError) as caught:
        commands.plan(plugins, **{"methods": ["fm-ot"], "dataset": "moons", said: ["mine"]})
    assert f"{kind} 'mine' brings" in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize(("steps", "told"), [(100, True), (50, True), (101, False)])
def test_a_warm_up_without_room_is_told_in_one_line(plugins, steps, told):
    grid = commands.plan(plugins, methods=["fm-ot", "ddpm"], assignments=[f"train.steps={steps}", "train.warmup=100"])
    lines = [note for note in grid.notes if "train.warmup" in note]
    assert (
        lines
        == [f"train.warmup = 100 is no less than train.steps = {steps}: the learning rate never reaches its peak"]
        * told
    )
