from __future__ import annotations

import pytest

from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

METRICS = {
    "occupancy": {"8gaussians": ["ce-gap", "modes", "mode-tv", "off-mode"], "gaussian-2d": ["ce-gap"]},
    "w2": {"8gaussians": ["w2", "sliced-w2"], "gaussian-2d": ["w2", "sliced-w2"]},
    "discrepancy": {"8gaussians": ["energy-distance", "mmd2"], "gaussian-2d": ["energy-distance", "mmd2"]},
}


def records(root, run):
    return {record.name: record for record in RunDirectory.of(root, run).metrics()}


@pytest.mark.parametrize("dataset", ["8gaussians", "gaussian-2d"])
def test_every_number_has_its_floor_and_methods_share_it(tmp_path, dataset):
    runs = tiny_plan("w2.n=50", dataset=dataset, methods=["fm-ot", "realnvp"], metrics=list(METRICS))
    assert carry_out(runs, tmp_path).complete
    flow, layers = (records(tmp_path, run) for run in runs)
    expected = [name for metric in METRICS.values() for name in metric[dataset]]
    assert sorted(flow) == sorted([*expected, *(f"{name}-floor" for name in expected)])
    for name in expected:
        assert flow[f"{name}-floor"].value == layers[f"{name}-floor"].value
        assert flow[name].value != layers[name].value or name == "modes"
    assert flow["w2"].n == 50
    assert len(flow["w2"].details["blocks"]) == 2  # disjoint ones of 128 points
    assert flow["w2-floor"].value > 0.1  # of a second sample, not of the reference itself
    assert flow["w2"].value > flow["w2-floor"].value  # six steps teach nothing
    assert flow["ce-gap"].value > 0 > flow["ce-gap"].error - flow["ce-gap"].value


def test_the_path_energy_needs_a_velocity(tmp_path):
    runs = tiny_plan(dataset="8gaussians", methods=["fm-ot", "realnvp"], metrics=["path-energy"])
    assert carry_out(runs, tmp_path).complete
    flow, layers = (records(tmp_path, run) for run in runs)
    assert flow["npe"].error > 0
    assert set(flow["npe"].details) >= {"path_energy", "w2_squared"}
    assert "npe" not in layers
    assert runs[1].evaluation.inapplicable == ("path-energy",)
