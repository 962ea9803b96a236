"""Values mean what their option says, whatever YAML would make of them."""

from __future__ import annotations

import pytest

from fmbench import commands
from fmbench.api import MethodSpec, Option
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins

OPTIONS = {
    "mode": Option(default="on", choices=("on", "off"), help="a switch with names"),
    "tag": Option(default="v1", help="text"),
    "k": Option(default=10, ge=1, help="a count"),
    "rate": Option(default=1e-3, gt=0, help="a rate"),
    "flag": Option(default=False, help="a flag"),
}


@pytest.fixture(scope="module")
def plugins():
    loaded = load_plugins(environ={})
    loaded.register(MethodSpec("m", "x:Y", options=OPTIONS))
    return loaded


def by_set(plugins, key, text):
    (run,) = commands.plan(plugins, methods=["m"], assignments=[f"options.m.{key}={text}"])
    return run.training.method.options[key]


def by_file(plugins, folder, key, text):
    path = folder / "e.yaml"
    path.write_text(f"methods: m\noptions: {{m: {{{key}: {text}}}}}\n")
    (run,) = commands.plan(plugins, config=str(path))
    return run.training.method.options[key]


def by_sweep(plugins, key, text):
    (run,) = commands.plan(plugins, methods=["m"], sweep=[f"options.m.{key}={text}"])
    return run.training.method.options[key]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("k", "010", 10),
        ("k", "1e3", 1000),
        ("k", "2.0", 2),
        ("k", "+7", 7),
        ("tag", "007", "007"),
        ("tag", "1:30", "1:30"),
        ("tag", "off", "off"),
        ("tag", "2026-11-26", "2026-11-26"),
        ("tag", "1e3", "1e3"),
        ("mode", "off", "off"),
        ("mode", "on", "on"),
        ("rate", "1e-4", 1e-4),
        ("rate", "5", 5.0),
        ("flag", "true", True),
        ("flag", "on", True),
        ("flag", "No", False),
        ("flag", "false", False),
    ],
)
def test_a_value_is_of_its_options_type_wherever_it_is_written(plugins, tmp_path, key, text, value):
    for got in (by_set(plugins, key, text), by_file(plugins, tmp_path, key, text), by_sweep(plugins, key, text)):
        assert got == value
        assert type(got) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("k", "1:30", "options.m.k = '1:30': must be a valid integer"),
        ("k", "1.5", "options.m.k = 1.5: must be a valid integer"),
        ("k", "0x1F", "options.m.k = '0x1F': must be a valid integer"),
        ("k", "inf", "options.m.k = 'inf': must be a valid integer"),
        ("k", "null", "options.m.k = None: must be a valid integer"),
        ("rate", "1:30", "options.m.rate = '1:30': must be a valid number"),
        ("rate", "nan", "options.m.rate = 'nan': must be a finite number"),
        ("mode", "maybe", "options.m.mode = 'maybe': must be one of on, off"),
        ("flag", "maybe", "options.m.flag = 'maybe': must be a valid boolean"),
    ],
)
def test_what_is_not_of_that_type_is_one_line(plugins, tmp_path, key, text, problem):
    with pytest.raises(FmbenchError) as caught:
        by_set(plugins, key, text)
    assert problem in str(caught.value)
    with pytest.raises(FmbenchError) as caught:
        by_file(plugins, tmp_path, key, text)
    assert problem in str(caught.value)


def test_the_sections_of_fmbench_itself_are_typed_alike(plugins):
    (run,) = commands.plan(
        plugins,
        methods=["fm-ot"],
        assignments=["train.steps=1e3", "train.lr=1e-3", "network.width=032", "nll.draws=2e0"],
    )
    assert (run.training.train.steps, run.training.train.lr) == (1000, 1e-3)
    assert run.training.network.options["width"] == 32
    assert run.evaluation.metrics["nll"]["draws"] == 2
    with pytest.raises(FmbenchError, match=r"train.steps = 1.5: must be a valid integer"):
        commands.plan(plugins, methods=["fm-ot"], assignments=["train.steps=1.5"])


class TestWhatAGridSpans:
    @pytest.mark.parametrize(
        ("text", "seeds"), [("3", [0, 1, 2]), ("[0, 2]", [0, 2]), ("0,2", [0, 2]), ("[4]", [4]), ("1", [0])]
    )
    def test_seeds_are_how_many_or_which(self, plugins, tmp_path, text, seeds):
        path = tmp_path / "e.yaml"
        path.write_text(f"methods: [m]\nseeds: {text}\n")
        assert [run.training.seed for run in commands.plan(plugins, config=str(path))] == seeds

    @pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
    def test_what_is_neither_is_one_line(self, plugins, tmp_path, text):
        path = tmp_path / "e.yaml"
        path.write_text(f"methods: [m]\nseeds: {text}\n")
        with pytest.raises(FmbenchError, match=f"seeds '{text}': give a number of seeds"):
            commands.plan(plugins, config=str(path))

    def test_one_name_needs_no_list_and_several_may_have_commas(self, plugins, tmp_path):
        path = tmp_path / "e.yaml"
        path.write_text("methods: fm-ot, ddpm\ndataset: moons\nmetrics: nfe\n")
        runs = commands.plan(plugins, config=str(path))
        assert [run.training.method.name for run in runs] == ["fm-ot", "ddpm"]
        assert set(runs[0].evaluation.metrics) == {"nfe"}


def test_the_budget_is_typed_and_exclusive(plugins):
    (run,) = commands.plan(plugins, methods=["fm-ot"], assignments=["budget.images=1e4"])
    assert run.training.train.steps == 10_000 // run.training.train.batch_size
    with pytest.raises(FmbenchError, match=r"budget.images and train.steps both say how long to train"):
        commands.plan(plugins, methods=["fm-ot"], assignments=["budget.images=1e4", "train.steps=5"])
