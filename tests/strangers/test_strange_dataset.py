"""A dataset that a plugin brings, with an option of its own, is data and source like the shipped ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from fmbench_plugins.conditional_flow_matching import IndependentCFM

from fmbench.errors import FmbenchError
from fmbench.methods.base import Task
from fmbench.registry.discovery import load_plugins
from fmbench.solvers.likelihood import LikelihoodSettings
from tests.helpers import carry_out, numbers, tiny_plan

FILE = Path(__file__).parent / "ring.py"


@pytest.fixture(scope="module")
def plugins():
    return load_plugins([FILE], environ={})


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
