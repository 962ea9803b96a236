from __future__ import annotations

import pytest

from fmbench import commands
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(environ={})


@pytest.fixture
def plan(plugins):
    return lambda *sweep, **said: commands.plan(plugins, sweep=sweep, **{"methods": ["fm-ot"], **said})


@pytest.fixture
def write(tmp_path):
    """Write a configuration of fm-ot, and give its path."""

    def file(text):
        path = tmp_path / "e.yaml"
        path.write_text(f"methods: [fm-ot]\n{text}")
        return str(path)

    return file


def test_each_value_is_what_set_makes_of_it(plugins, plan):
    def alone(value):
        return commands.plan(plugins, methods=["fm-ot"], assignments=[f"train.lr={value}"])[0]

    assert list(plan("train.lr=1e-3,4e-3")) == [alone("1e-3"), alone("4e-3")]


def test_several_sweeps_are_a_product_and_the_last_varies_fastest(plan):
    runs = plan("train.lr=0.5,0.25", "train.steps=3,4", seeds=[0, 1])
    assert [(run.training.train.lr, run.training.train.steps, run.training.seed) for run in runs] == [
        (lr, steps, seed) for lr in (0.5, 0.25) for steps in (3, 4) for seed in (0, 1)
    ]


def test_values_are_yaml(plan):
    runs = plan('train.conditional=true,"false"', "train.decay=linear, constant", "train.warmup=1,")
    assert [(run.training.train.conditional, run.training.train.decay) for run in runs] == [
        (True, "linear"),
        (True, "constant"),
        (False, "linear"),
        (False, "constant"),
    ]


def test_they_lie_over_the_file_and_over_its_sweep_of_the_same_key(plan, write):
    config = write("train: {lr: 9, steps: 7}\nsweep: {train.lr: [0.5, 0.25], train: {warmup: [1, 2]}}\n")
    asked = [run.training.train for run in plan(config=config)]
    assert [(train.lr, train.warmup) for train in asked] == [(0.5, 1), (0.5, 2), (0.25, 1), (0.25, 2)]
    assert {train.steps for train in asked} == {7}
    again = [run.training.train for run in plan("train.lr=0.125", config=config)]
    assert [(train.lr, train.warmup) for train in again] == [(0.125, 1), (0.125, 2)]


def test_what_comes_out_the_same_is_there_once(plan):
    runs = plan("options.fm-ot.sigma_min=0.1,0.2", "options.glow.steps=2,4", methods=["fm-ot", "ddpm"])
    assert [run.training.method.name for run in runs] == ["fm-ot", "fm-ot", "ddpm"]
    assert len(plan("train.steps=5,5.0,2400")) == 2


def test_a_network_and_its_width_may_be_swept_in_any_order(plan):
    one = plan("network.width=16,32", "network.name=mlp")
    other = plan("network.name=mlp", "network.width=16,32")
    assert [run.training.network.options["width"] for run in one] == [16, 32]
    assert list(one) == list(other)


def test_a_sampler_is_swept_over_the_same_weights(plan, tmp_path):
    runs = plan("sampler.steps=2,4,8", "sampler.name=heun")
    assert [run.evaluation.sampler.steps for run in runs] == [2, 4, 8]
    assert len({RunDirectory.of(tmp_path, run) for run in runs}) == 1


def test_every_swept_evaluation_of_a_run_is_a_row(tmp_path):
    runs = tiny_plan("sampler.name=heun", sweep=["sampler.steps=2,4"], methods=["fm-ot"], metrics=["nfe"])
    outcome = carry_out(list(runs), tmp_path)
    assert sorted(cell.mean for row in outcome.rows for key, cell in row.cells.items() if key.name == "nfe") == [4, 8]


@pytest.mark.parametrize(
    ("sweep", "said", "text"),
    [
        (["train.stpes=1,2"], {}, "unknown key of train 'stpes'. Did you mean 'steps'?"),
        (["tarin.steps=1,2"], {}, "unknown key to sweep 'tarin.steps'. Did you mean 'train'?"),
        (["options.fm-tt.sigma_min=1"], {}, "unknown method 'fm-tt'. Did you mean 'fm-ot'?"),
        (["train.steps=5,many"], {}, "train.steps = 'many': must be a valid integer"),
        (["train.steps"], {}, "--sweep 'train.steps': write key=value,value"),
        (["train..steps=1"], {}, "--sweep 'train..steps=1': write key=value,value"),
        (["train.steps=a]"], {}, "--sweep 'train.steps=a]': the values are not YAML"),
        (["train.steps="], {}, "sweep of train.steps: the list of values is empty"),
        (["train.lr=1", "train.lr=2"], {}, "--sweep 'train.lr=2': train.lr is swept twice"),
        (["train.lr=1", "train={steps: 3}"], {}, "sweep of train.lr and of train: one lies within the other"),
        (["train.lr=1"], {"assignments": ["train.lr=2"]}, "--set train.lr: the grid sweeps train.lr; leave one out"),
        (["train.lr=1"], {"assignments": ["train={lr: 2}"]}, "--set train.lr: the grid sweeps train.lr"),
        (["seeds=1,2"], {}, "sweep of seeds: seeds takes a list by itself; give it there, or as --seeds"),
        (["methods=ddpm"], {}, "sweep of methods: methods takes a list by itself"),
        (["dataset=digits"], {}, "sweep of dataset: dataset takes a list by itself"),
        (["metrics=[fid]"], {}, "sweep of metrics: metrics takes a list by itself"),
        (["sweep.train.lr=1"], {}, "unknown key to sweep 'sweep.train.lr'"),
    ],
)
def test_what_makes_no_sense_is_one_line_that_names_it(plan, sweep, said, text):
    with pytest.raises(FmbenchError) as caught:
        plan(*sweep, **said)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("sweep: {train.lr: 0.5}", r"sweep of train.lr = 0.5: must be a list of values"),
        ("sweep: {train.lr: []}", "sweep of train.lr: the list of values is empty"),
        ("sweep: [train.lr]", "sweep must be a mapping of keys to values"),
    ],
)
def test_bad_files(plan, write, content, text):
    with pytest.raises(FmbenchError, match=text):
        plan(config=write(content))
