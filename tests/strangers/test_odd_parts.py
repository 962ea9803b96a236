"""What breaks a rule gets no number: it is refused before training, or costs its own cell and no other."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from fmbench.registry.discovery import load_plugins
from fmbench.report.sheet import sheets
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, numbers, tiny_plan

FILES = [Path(__file__).parent / name for name in ("odd_parts.py", "odd_metrics.py")]


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(FILES, environ={})


@pytest.fixture
def run_of(plugins, tmp_path):
    def run(*assignments, **said):
        (planned,) = tiny_plan(*assignments, **{"plugins": plugins, "methods": ["fm-ot"], "dataset": "moons", **said})
        carry_out([planned], tmp_path, plugins)
        return planned, RunDirectory.of(tmp_path, planned)

    return run


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            {"dataset": "floats"},
            "dataset 'floats': train has torch.float32 of shape (1, 8, 8), and Levels(levels=256) dec",
        ),
        ({"dataset": "deep"}, "dataset 'deep': train is of torch.int16: levels must be torch.uint8"),
        ({"dataset": "holes"}, "dataset 'holes': test has NaN or infinity, first in point 17"),
        ({"dataset": "unlabelled"}, "dataset 'unlabelled': train_labels are missing, and the spec says classes=10"),
        (
            {"methods": ["rows"]},
            "TypeError: the loss of Rows is a tensor of shape (16,), not a scalar: return its mean",
        ),
    ],
)
def test_it_is_refused_before_the_first_step(run_of, said, reason):
    _, directory = run_of(metrics=["nfe"], **said)
    status = directory.status()
    assert (status.state, status.step) == ("failed", 0)
    assert reason in status.reason
    assert not directory.train_log.exists() or not directory.train_log.read_text()


def test_so_is_a_network_that_cannot_be_sampled(run_of):
    _, directory = run_of("network.name=joined", metrics=["nfe"])
    status = directory.status()
    assert (status.state, status.step) == ("failed", 0)
    assert "network 'joined', asked for 2 points of shape (2,) at t of shape (1,), fails" in status.reason


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("few", "method 'few': sample(64, ...) by dopri5 gave torch.float64 of shape (7, 2), not points (64, 2)"),
        ("whole", "method 'whole': sample(64, ...) by dopri5 gave torch.int64 of shape (64, 2)"),
        ("holed", "dopri5 drew samples of which 16 of 64 are not finite"),
    ],
)
def test_samples_that_are_none_cost_the_numbers_of_samples(run_of, method, reason):
    _, directory = run_of(metrics=["w2", "nll"], methods=[method])
    found = {record.name: record for record in directory.metrics()}
    assert found["w2"].value is None
    assert reason in found["w2"].reason
    assert math.isfinite(found["nll"].value)


def test_a_prediction_that_says_nothing_at_an_end_is_sampled_all_the_same(run_of):
    _, directory = run_of("train.steps=40", metrics=["w2", "nll", "nfe"], methods=["noise"], dataset="gaussian-2d")
    found = {record.name: record.value for record in directory.metrics()}
    assert directory.status().state == "done"
    assert all(math.isfinite(found[name]) for name in ("w2", "nll", "nfe"))


def test_log_densities_of_other_points_are_no_nll(run_of):
    _, directory = run_of(metrics=["nll", "w2"], methods=["short"])
    found = {record.name: record for record in directory.metrics()}
    assert found["nll"].value is None
    assert "method 'short': log_prob of 2500 points gave values of shape (2499,)" in found["nll"].reason
    assert math.isfinite(found["w2"].value)


def test_a_network_that_nobody_counts_has_no_nfe(run_of):
    _, directory = run_of(metrics=["nfe", "nll"], methods=["own"])
    found = {record.name: record for record in directory.metrics()}
    for name in ("nfe", "nfe-nll"):
        assert found[name].value is None
        assert "no call of a network was counted: build it by task.build_network()" in found[name].reason
    assert math.isfinite(found["nll"].value)
    assert found["sample-seconds"].value > 0


def test_a_density_above_the_true_one_is_marked_and_not_ranked(plugins, tmp_path):
    said = {"plugins": plugins, "methods": ["boast", "fm-ot"], "dataset": "moons", "seeds": [0, 1]}
    rows = {row.label: row for row in carry_out(tiny_plan(metrics=["nll"], **said), tmp_path, plugins).rows}
    (sheet,) = sheets(list(rows.values()))
    for name in ("nll", "nll-gap"):
        assert rows["boast"].cell(name)[1].biased
        assert not rows["fm-ot"].cell(name)[1].biased
    (line,) = [line for line in sheet.notes if "boast" in line and "†" in line]
    assert line.startswith("† NLL of boast: above the true density by more than 3 standard errors")
    assert not [line for line in sheet.notes if line.startswith("Rank") and "boast" in line]


def test_what_draws_from_nobodys_generators_repeats_and_differs_by_seed(plugins, tmp_path):
    """In training and in sampling; and the caller's generators are left as they were."""
    said = {"plugins": plugins, "methods": ["gambles"], "dataset": "moons", "metrics": ["w2", "nll"], "seeds": [0, 1]}
    found = []
    for root in (tmp_path / "once", tmp_path / "again"):
        runs = tiny_plan(**said)
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
        carry_out(runs, root, plugins)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before[:2]
        assert torch.equal(torch.get_rng_state(), before[2])
        np.random.randn(3)  # another state to begin with
        found.append([numbers(root, run) for run in runs])
    assert found[0] == found[1]
    assert all(found[0][0][name] != found[0][1][name] for name in ("w2", "nll"))


def test_a_loss_that_asks_for_gradients_of_its_input_is_counted_without_its_frozen_copy(run_of):
    _, directory = run_of(metrics=["nfe"], methods=["penalised"])
    _, plain = run_of(metrics=["nfe"])
    summary, usual = directory.training(), plain.training()
    assert directory.status().state == "done"
    assert summary.flops > 1.5 * usual.flops
    assert summary.params == usual.params


def test_a_step_that_cannot_be_counted_loses_nothing_but_its_flops(run_of):
    _, directory = run_of(metrics=["nfe"], methods=["uncounted"])
    assert directory.status().state == "done"
    assert directory.training().flops is None
    assert "the FLOPs of a training step could not be counted" in directory.log.read_text()
    assert all(record.value is not None for record in directory.metrics())


def test_floors_that_cannot_be_had_withhold_no_number(run_of):
    _, directory = run_of("sampler.samples=256", metrics=["kid", "prdc", "fid"], methods=["gaussian"], dataset="scarce")
    found = {record.name: record for record in directory.metrics()}
    for name in ("kid", "precision", "recall", "density", "coverage", "fid"):
        assert math.isfinite(found[name].value)
        assert found[f"{name}-floor"].value is None
        assert "too few" in found[f"{name}-floor"].reason


class TestMetrics:
    def test_one_that_raises_costs_its_own_cell(self, run_of):
        _, directory = run_of(metrics=["raises", "nfe", "w2"])
        assert directory.status().state == "done"
        found = {record.name: record for record in directory.metrics()}
        assert found["raises"].reason == "metric 'raises' failed: ZeroDivisionError: division by zero (see log.txt)"
        assert "odd_metrics.py" in directory.log.read_text()
        assert found["nfe"].value > 0
        assert found["w2"].value > 0

    def test_values_of_all_types_are_kept_or_refused_by_name(self, run_of):
        _, directory = run_of(metrics=["types"])
        text = (directory.path / "metrics.jsonl").read_text()

        def refuse(constant):
            raise AssertionError(f"{constant} is no JSON")

        lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
        found = {line["name"]: line for line in lines}
        assert {name: line["value"] for name, line in found.items()} == {
            "float32": 0.25, "tensor": 0.5, "bool": 1.0, "nan": None, "infinity": None, "text": None, "pair": None,
            "unsure": 1.0, "detailed": 2.0,
        }  # fmt: skip
        assert (found["float32"]["n"], found["float32"]["error"]) == (3, 0.5)
        assert found["nan"]["reason"] == "is nan"
        assert found["infinity"]["reason"] == "is inf"
        assert found["text"]["reason"] == "is 'high', which is no number"
        assert found["pair"]["reason"] == "is tensor([0., 0.]), which is no number"
        assert (found["unsure"]["error"], found["unsure"]["details"]) == (None, {"error": "is nan"})
        details = found["detailed"]["details"]
        assert details == {"low": "nan", "3": [0, 1], "seen": [1, [4], "<class 'object'>"]}

    @pytest.mark.parametrize(
        ("metric", "reason"),
        [
            ("clash", "metric 'clash': 'nll' is fmbench's own number; give yours another name"),
            ("alone", "metric 'alone': measure must give a list of MetricValue, not MetricValue(name='alone'"),
        ],
    )
    def test_what_is_no_list_of_its_own_numbers_is_refused(self, run_of, metric, reason):
        _, directory = run_of(metrics=["nll", metric])
        found = {record.name: record for record in directory.metrics()}
        assert found[metric].value is None
        assert found[metric].reason.startswith(reason)
        assert math.isfinite(found["nll"].value)

    @pytest.mark.parametrize(
        ("metric", "what"), [("scales", "the samples"), ("trains", "the weights"), ("peeks", "the data")]
    )
    def test_one_that_changes_what_all_are_shown_changes_no_others_number(self, plugins, tmp_path, metric, what):
        said = {"plugins": plugins, "methods": ["fm-ot"], "dataset": "moons"}
        found = []
        for names in (["w2", "nll"], [metric, "w2", "nll"]):
            (run,) = tiny_plan(metrics=names, **said)
            carry_out([run], tmp_path / str(len(names)), plugins)
            found.append(numbers(tmp_path / str(len(names)), run))
        assert found[1].pop(metric) is None
        assert found[0] == found[1]
        records = RunDirectory.of(tmp_path / "3", run).metrics()
        (reason,) = [record.reason for record in records if record.name == metric]
        assert reason == f"metric {metric!r} changed {what} that all metrics are shown: it must work on copies"
