"""A sampler that a plugin brings stands beside the shipped ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fmbench import paths
from fmbench.api import Option, SamplerSpec, hookimpl
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import SAMPLER_KEYS, ZERO_IS_DEFAULT
from fmbench.request.schema import ALWAYS_RECORDED, Sampler
from fmbench.store.run import RunDirectory
from fmbench.testing.oracles import oracle_method
from tests.helpers import carry_out, numbers, tiny_plan

FILE = Path(__file__).parent / "adams_bashforth.py"
SHIPPED = {
    "dopri5": {"corrections": 0, "snr": 0.0, "steps": 0},
    "ancestral": {"corrections": 0, "snr": 0.0, "steps": 1000},
    "pc": {"corrections": 1, "snr": 0.16, "steps": 500},
    "langevin": {"corrections": 20, "snr": 0.3, "steps": 20},
}
SAME = {
    "guidance": 1.0, "rtol": 1e-2, "atol": 1e-2, "batch_size": 64, "samples": 128, "draws": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def plugins():
    return load_plugins([FILE], environ={})


def plan(plugins, *assignments, methods=("fm-ot", "ddpm")):
    return tiny_plan(*assignments, plugins=plugins, methods=list(methods), metrics=["nfe"])


def test_it_samples_flow_matching_and_ddpm(plugins, tmp_path):
    runs = plan(plugins, "sampler.name=ab", "sampler.steps=7", "sampler.order=3")
    assert carry_out(runs, tmp_path, plugins).complete
    for run in runs:
        assert numbers(tmp_path, run)["nfe"] == 7
        (record, *_) = RunDirectory.of(tmp_path, run).metrics()
        assert record.protocol["sampler"]["order"] == 3
        overrides = run.evaluation_overrides
        assert [overrides[f"sampler.{key}"] for key in ("name", "steps", "order")] == ["ab", 7, 3]


def test_its_order_is_that_of_its_error(plugins, law):
    """Halving the step divides the error by 2^order."""
    method = oracle_method(law, paths.CondOT(), "velocity")
    function = plugins.samplers.get("ab").load()
    start = method.source(50, torch.Generator().manual_seed(0))

    def reached(steps, order):
        settings = Sampler(name="ab", steps=steps, order=order)
        return function(method, start, settings, torch.Generator())

    truth = reached(3000, 3)
    for order in (1, 2):
        errors = [(reached(steps, order) - truth).abs().max().item() for steps in (100, 200)]
        assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.25)


def test_its_defaults_are_in_the_record(plugins):
    for run in plan(plugins, "sampler.name=ab"):
        sampler = run.evaluation.protocol("nfe")["sampler"]
        assert (sampler["steps"], sampler["order"]) == (20, 2)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("order=4", r"sampler.order = 4: must be less than or equal to 3"),
        ("ordre=2", r"unknown key of sampler 'ordre'. Did you mean 'order'\?"),
        ("snr=0.1", r"sampler.snr: ab does not read it; those that do: pc, pc-em, langevin"),
        ("name=abb", r"unknown sampler 'abb'. Did you mean 'ab'\?"),
        ("options=3", r"sampler.options = 3: must be a valid dictionary"),
    ],
)
def test_what_it_does_not_accept_is_one_line(plugins, key, text):
    with pytest.raises(FmbenchError, match=text):
        plan(plugins, "sampler.name=ab", f"sampler.{key}", methods=["fm-ot"])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"name": "native"}, "sampler 'native': the word means"),
        ({"needs": "velocty"}, "needs has 'velocty'; known: data, score, velocity"),
        ({"options": {"rtol": Option(default=0.5, help="")}}, "sampler.rtol is every sampler's"),
        ({"options": {"snr": Option(default=0.5, ge=0, help="")}}, "sampler.snr = 0 means the default"),
    ],
)
def test_a_spec_whose_keys_would_mean_two_things_is_broken(spec, text):
    @hookimpl
    def fmbench_samplers():
        return [SamplerSpec(**{"name": "odd", "factory": "x:y", **spec})]

    loaded = Plugins()
    loaded.register(SimpleNamespace(fmbench_samplers=fmbench_samplers), name="odd")
    (broken,) = loaded.broken
    assert (broken.name, broken.stage) == ("odd", "spec")
    assert text in broken.error


def test_the_keys_of_the_section_are_those_that_no_option_may_have():
    assert set(SAMPLER_KEYS) == set(Sampler.model_fields)
    assert set(ZERO_IS_DEFAULT) == set(ALWAYS_RECORDED)


def test_it_is_listed_and_explained(capsys):
    from fmbench.cli import info, listing

    listing.command("samplers", plugin=[FILE])
    assert "Adams-Bashforth" in capsys.readouterr().out
    info.command("ab", plugin=[FILE])
    shown = capsys.readouterr().out
    assert "sampler.order" in shown
    assert "file adams_bashforth.py" in shown


@pytest.mark.parametrize("name", SHIPPED)
def test_records_of_shipped_samplers_are_those_from_before_there_were_others(plugins, name):
    (run,) = plan(plugins, f"sampler.name={name}", methods=["ddpm" if name == "ancestral" else "ve-sde"])
    assert run.evaluation.protocol("nfe")["sampler"] == {"name": name, **SHIPPED[name], **SAME}


class TestVariance:
    """Of the ancestral sampler: the method's option is its default, the sampler's own goes before it."""

    @pytest.mark.parametrize(
        ("keys", "recorded"),
        [
            ((), None),
            (("options.ddpm.variance=fixedlarge",), None),
            (("options.ddpm.variance=fixedlarge", "sampler.variance=fixedsmall"), "fixedsmall"),
            (("sampler.variance=fixedlarge",), "fixedlarge"),
        ],
    )
    def test_it_is_recorded_where_it_is_not_the_methods(self, plugins, keys, recorded):
        (run,) = plan(plugins, "sampler.name=ancestral", *keys, methods=["ddpm"])
        assert run.evaluation.sampler.model_dump().get("variance") == recorded

    def test_other_methods_have_it_too(self, plugins):
        (run,) = plan(plugins, "sampler.name=ancestral", "sampler.variance=fixedlarge", methods=["vp-sde"])
        assert run.evaluation.sampler.options == {"variance": "fixedlarge"}

    def test_it_decides_the_steps(self, law, generator):
        """For N(0, I) and few steps the two variances spread samples differently, and each is drawn as it is asked."""
        method = oracle_method(law, paths.VP(), "noise")
        spreads = [
            method.sample(
                4000, Sampler(name="ancestral", steps=8, variance=variance), torch.Generator().manual_seed(0)
            ).std()
            for variance in ("fixedsmall", "fixedlarge")
        ]
        assert spreads[1] > 1.02 * spreads[0]
