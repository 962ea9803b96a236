"""A dataset that a plugin brings, with an option of its own, is data and source like the shipped ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from fmbench_plugins.conditional_flow_matching import IndependentCFM

from fmbench.commands import plan_evaluation
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.methods.base import Task
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.run.stages import session_for
from fmbench.solvers.likelihood import LikelihoodSettings
from tests.helpers import carry_out, numbers, tiny_plan

FILE = Path(__file__).parent / "ring.py"


@pytest.fixture(scope="module")
def plugins():
    return load_plugins([FILE], environ={})


class TestOption:
    def plan(self, plugins, *assignments, **more):
        return tiny_plan(*assignments, **{"plugins": plugins, "methods": ["fm-ot"], "dataset": "ring", **more})

    def test_it_is_part_of_the_identity_and_of_the_folders_name(self, plugins):
        (plain,) = self.plan(plugins)
        (asked,) = self.plan(plugins, "data.ring.spots=3")
        assert (plain.training.dataset.options, asked.training.dataset.options) == ({"spots": 5}, {"spots": 3})
        assert plain.training.id != asked.training.id
        assert asked.overrides["data.ring.spots"] == 3
        assert "data.ring.spots" not in plain.overrides

    def test_runs_see_the_data_that_they_ask_for(self, plugins, tmp_path):
        runs = self.plan(plugins, metrics=["occupancy"], sweep=["data.ring.spots=2,3"])
        outcome = carry_out(runs, tmp_path, plugins)
        assert outcome.complete
        seen = [session_for(run.training, plugins, Execution("cpu"), Silent()).dataset for run in runs]
        assert [len(data.density.centres) for data in seen] == [2, 3]
        assert [numbers(tmp_path, run)["modes-floor"] for run in runs] == [1, 1]
        assert [row.label for row in outcome.rows] == ["fm-ot [data.ring.spots=2]", "fm-ot [data.ring.spots=3]"]
        again = plan_evaluation(plugins, results=tmp_path, metrics=["w2"])
        assert sorted(run.training.dataset.options["spots"] for run, _ in again) == [2, 3]

    def test_yaml_has_the_same_key(self, plugins, tmp_path):
        path = tmp_path / "rings.yaml"
        path.write_text("methods: fm-ot\ndataset: ring\ndata:\n  ring: {spots: 7}\n")
        (run,) = self.plan(plugins, config=str(path))
        assert run.training.dataset.options == {"spots": 7}

    @pytest.mark.parametrize(
        ("key", "text"),
        [
            ("data.ring.spots=9", "data.ring.spots = 9: must be less than or equal to 8"),
            ("data.ring.spts=3", "unknown key of data.ring 'spts'. Did you mean 'spots'?"),
            ("data.rnig.spots=3", "unknown dataset 'rnig'. Did you mean 'ring'?"),
            ("data.moons.spots=3", "unknown key of data.moons 'spots'. Known: none."),
            ("data=3", "data must be a mapping of keys to values, not '3'"),
        ],
    )
    def test_what_it_does_not_accept_is_one_line(self, plugins, key, text):
        with pytest.raises(FmbenchError) as caught:
            self.plan(plugins, key)
        assert text in str(caught.value)

    def test_info_shows_it_under_the_key_that_sets_it(self, capsys):
        from fmbench.cli import info

        info.command("ring", plugin=[FILE])
        assert "data.ring.spots" in capsys.readouterr().out


class TestSource:
    def test_a_run_starts_from_it(self, plugins, tmp_path):
        (run,) = tiny_plan("options.i-cfm.source=ring", plugins=plugins, methods=["i-cfm"], dataset="moons")
        assert run.training.method.options["source"] == "ring"
        assert carry_out([run], tmp_path, plugins).complete
        assert math.isfinite(numbers(tmp_path, run)["nll"])

    def test_its_density_is_that_of_the_dataset(self, plugins, generator):
        """Along a velocity of zero the log-density of a point is the source's own: in the transform's coordinates."""

        class Still(torch.nn.Module):
            def forward(self, _t, x):
                return 0 * x

        task = Task((2,), 1.0, lambda _: Still(), dataset=lambda name: plugins.datasets.get(name).load()(spots=5))
        method = IndependentCFM(task, source="ring", sigma=0.0).eval()
        data = task.dataset("ring")
        raw = data.density.sample(50, torch.Generator().manual_seed(1))
        x = data.transform.encode(raw, generator)
        expected = data.density.log_prob(raw) + 2 * math.log(data.transform.scale)
        torch.testing.assert_close(method.log_prob(x, LikelihoodSettings(), generator).value, expected)

    @pytest.mark.parametrize("name", ["rnig", "digits"])
    def test_a_name_without_a_known_density_is_one_line(self, plugins, name):
        with pytest.raises(FmbenchError, match=rf"unknown options.i-cfm.source '{name}'.*Known: .*normal, ring"):
            tiny_plan(f"options.i-cfm.source={name}", plugins=plugins, methods=["i-cfm"], dataset="moons")
