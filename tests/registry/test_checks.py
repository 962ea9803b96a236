"""A spec that no run can be made of is refused when its plugin is loaded, and the others of the plugin stay."""

from __future__ import annotations

import pytest

from fmbench.api import DatasetSpec, MethodSpec, MetricSpec, NetworkSpec, Number, Option
from fmbench.registry.checks import TRAIN_KEYS
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import Train


def faults(spec):
    plugins = Plugins()
    plugins.register(spec)
    assert len(plugins.broken) + len(plugins.loaded) <= 1
    return [(one.stage, one.error) for one in plugins.broken]


@pytest.mark.parametrize(
    "name",
    ["", "lab/fm", "fm:v2", "fm β", "x%y&z#1_$", "a" * 65, "two words", "a,b", "..", ".hidden", "-dash", "a\\b", 7],
)
def test_what_is_no_name_is_refused(name):
    ((stage, error),) = faults(MethodSpec(name, "x:Y"))
    assert stage == "name"
    assert "is no name: it must be up to 64 letters" in error
    assert "\n" not in error


@pytest.mark.parametrize("name", ["my_method", "fm-ot2", "8gaussians", "a" * 64, "v1.2+x", "FM"])
def test_plain_names_are_taken(name):
    assert faults(MethodSpec(name, "x:Y")) == []


def test_names_that_differ_by_capitals_share_a_folder_on_some_file_systems():
    plugins = load_plugins(environ={})
    plugins.register(MethodSpec("FM-OT", "x:Y"))
    assert [(one.stage, one.error) for one in plugins.broken] == [
        ("name", "method 'FM-OT' differs from 'fm-ot' by capitals alone")
    ]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (MethodSpec("m", "x.y"), "method 'm': factory 'x.y' is not of the form 'package.module:Class'"),
        (MethodSpec("m", "x:Y", provides=("speed",)), "provides has 'speed'; known: data, score, velocity"),
        (
            MethodSpec("m", "x:Y", provides="velocity"),
            "provides = 'velocity' must be a tuple of words, as ('velocity',)",
        ),
        (MethodSpec("m", "x:Y", likelihoods=("elbo",)), "likelihoods has 'elbo'; known: exact, pf-ode, truncated, vlb"),
        (MethodSpec("m", "x:Y", kinds=("audio",)), "kinds has 'audio'; known: image, pair, vector"),
        (MethodSpec("m", "x:Y", native_options={"steps": "t"}), "native_options has 't'; known: none"),
        (MethodSpec("m", "x:Y", budget={"steps": 7}), "budget key 'steps' is not of the form 'section.key'"),
        (DatasetSpec("d", "x:Y", kind="audio"), "dataset 'd': kind has 'audio'"),
        (DatasetSpec("d", "x:Y", classes=-1), "classes = -1: must not be negative"),
        (NetworkSpec("n", "x:Y", kinds=("audio",)), "network 'n': kinds has 'audio'"),
        (MetricSpec("k", "x:Y", likelihood=("elbo",)), "likelihood has 'elbo'"),
        (MetricSpec("k", "x:Y", numbers=(Number("nll"),)), "number 'nll' is fmbench's own; give yours another name"),
    ],
)
def test_a_field_that_means_nothing_is_named(spec, text):
    ((stage, error),) = faults(spec)
    assert stage == "spec"
    assert text in error


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (Option(default=0, gt=0, help=""), "option 'o' has the default 0, which is not in its range"),
        (Option(default=2.0, lt=2, help=""), "which is not in its range"),
        (Option(default=float("nan"), help=""), "which is not in its range"),
        (Option(default="c", choices=("a", "b"), help=""), "has the default 'c', which is none of its choices"),
        (Option(default=1, above="other", help=""), "must be above 'other', which is no option"),
        (Option(default=None, help=""), "has the default None, which is neither a truth value, a number nor text"),
    ],
)
def test_the_default_of_an_option_is_one_of_its_values(option, text):
    ((stage, error),) = faults(MethodSpec("m", "x:Y", options={"o": option}))
    assert stage == "spec"
    assert text in error


def test_a_teacher_may_come_with_a_later_plugin_but_must_come(tmp_path):
    head = "from fmbench.api import MethodSpec, hookimpl\n@hookimpl\ndef fmbench_methods():\n    return "
    pupil, teacher, lone = (tmp_path / f"{name}.py" for name in ("pupil", "teacher", "lone"))
    pupil.write_text(head + "[MethodSpec('pupil', 'x:Y', teacher='master')]\n")
    teacher.write_text(head + "[MethodSpec('master', 'x:Y')]\n")
    lone.write_text(head + "[MethodSpec('lone', 'x:Y', teacher='nobody'), MethodSpec('free', 'x:Y')]\n")
    plugins = load_plugins([pupil, lone, teacher], environ={})
    assert [(one.name, one.stage) for one in plugins.broken] == [("lone", "spec")]
    assert "its teacher 'nobody' is not there" in plugins.broken[0].error
    assert {"pupil", "master", "free"} <= {spec.name for spec in plugins.methods}
    assert "lone" not in plugins.methods


def test_a_pupil_of_one_that_is_refused_is_refused_too(tmp_path):
    assert refused(tmp_path, "[MethodSpec('p', 'x:Y', teacher='m'), MethodSpec('m', 'x:Y', teacher='nobody')]") == {
        "m": "method 'm': its teacher 'nobody' is not there",
        "p": "method 'p': its teacher 'm' is not there",
    }


def refused(tmp_path, specs):
    """Name and error of what a plugin of these methods has to leave out."""
    file = tmp_path / "mine.py"
    head = "from fmbench.api import MethodSpec, Option, hookimpl\n@hookimpl\ndef fmbench_methods():\n    return "
    file.write_text(head + specs + "\n")
    plugins = load_plugins([file], environ={})
    assert {one.stage for one in plugins.broken} <= {"spec"}
    assert not {one.name for one in plugins.broken} & {spec.name for spec in plugins.methods}
    return {one.name: one.error for one in plugins.broken}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("budget={'trian.steps': 5}", "budget key 'trian.steps': no section is called 'trian'"),
        ("budget={'budget.seconds': 5}", "budget key 'budget.seconds': no section is called 'budget'"),
        ("budget={'train.stpes': 5}", "budget key 'train.stpes': train has no 'stpes', but batch_size, beta1,"),
        ("budget={'sampler.rtoll': 5}", "budget key 'sampler.rtoll': sampler has no 'rtoll', but"),
        ("native_sampler='ddim', provides=('velocity',)", "native_sampler 'ddim' needs 'data', which it does not prov"),
        (
            "native_sampler='mine', native_options={'steps': 'k'}",
            "native_options = ['steps'] are of no sampler: 'm",
        ),
        ("native_sampler='pc', native_options={'snrr': 'k'}", "native_options has 'snrr'; known: corrections, snr, st"),
    ],
)
def test_what_belongs_to_no_other_spec_is_refused(tmp_path, said, text):
    found = refused(tmp_path, f"[MethodSpec('m', 'x:Y', options={{'k': Option(default=5, help='')}}, {said})]")
    assert text in found["m"]


@pytest.mark.parametrize(
    "budget",
    [{"train.steps": 5, "sampler.corrections": 2, "sampler.rtol": 1e-3}, {"nll.probes": 2}],
)
def test_defaults_that_a_method_may_bring(tmp_path, budget):
    assert refused(tmp_path, f"[MethodSpec('m', 'x:Y', budget={budget})]") == {}


def test_the_keys_of_training_are_those_of_its_schema():
    assert set(Train.model_fields) == TRAIN_KEYS


def test_all_that_is_shipped_passes():
    assert load_plugins(environ={}).broken == []
