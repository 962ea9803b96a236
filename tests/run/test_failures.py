"""One run that fails is a row with its reason; the others go on."""

from __future__ import annotations

import textwrap

import pytest

from fmbench.api import MethodSpec
from fmbench.registry.discovery import load_plugins
from fmbench.report.render import record
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

PLUGIN = """
    import torch
    from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths

    class Diverges(GaussianPathMethod):
        path = paths.Linear()
        calls = 0
        def loss(self, batch):
            self.calls += 1
            return super().loss(batch) * (float("nan") if self.calls == 4 else 1.0)

    class Raises(GaussianPathMethod):
        path = paths.Linear()
        def loss(self, batch):
            raise RuntimeError("a shape\\nthat does not fit")

    class Explodes(GaussianPathMethod):
        path = paths.Linear()
        def velocity(self, t, x):
            return 1e6 * x ** 3 + super().velocity(t, x)

    class NotAMethod:
        def __init__(self, task):
            pass

    @hookimpl
    def fmbench_methods():
        return [MethodSpec(name, f"{__name__}:{name.title()}") for name in ("diverges", "raises", "explodes")] + [
            MethodSpec("not-a-method", f"{__name__}:NotAMethod"), MethodSpec("absent", "not_there:X")]
"""


@pytest.fixture
def plugins(tmp_path):
    path = tmp_path / "faulty.py"
    path.write_text(textwrap.dedent(PLUGIN))
    return load_plugins([path], environ={})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("diverges", "loss is nan at step 4"),
        ("raises", "RuntimeError: a shape that does not fit (see log.txt)"),
        (
            "not-a-method",
            "TypeError: method 'not-a-method' is a NotAMethod, not a fmbench.api.Method (see log.txt)",
        ),
        ("absent", "ModuleNotFoundError: No module named 'not_there' (see log.txt)"),
    ],
)
def test_a_failed_run_is_a_row_and_the_other_method_finishes(tmp_path, plugins, name, reason):
    runs = tiny_plan(plugins=plugins, methods=[name, "fm-ot"])
    outcome = carry_out(runs, tmp_path, plugins)
    assert not outcome.complete
    rows = {row.label: row for row in outcome.rows}
    assert rows[name].status == "failed"
    assert rows[name].reasons == (reason,)
    assert record(rows[name])["nll"] is None
    assert rows["fm-ot"].status == "done"
    log = RunDirectory.of(tmp_path, runs[0]).log
    assert log.exists() == (name != "diverges")


def test_divergence_is_found_at_its_step_beyond_the_first_log_line(tmp_path, plugins):
    (run,) = tiny_plan("train.steps=60", plugins=plugins, methods=["diverges"])
    carry_out([run], tmp_path, plugins)
    status = RunDirectory.of(tmp_path, run).status()
    assert (status.state, status.step, status.steps) == ("failed", 4, 60)


def test_a_solve_that_fails_leaves_the_other_numbers(tmp_path, plugins):
    (run,) = tiny_plan(plugins=plugins, methods=["explodes"])
    outcome = carry_out([run], tmp_path, plugins)
    assert not outcome.complete
    (row,) = outcome.rows
    assert row.status == "done"
    (reason,) = [reason for reason in row.reasons if "nll" in reason.partition(":")[0].split(", ")]
    assert ": dopri5 at rtol" in reason
    assert "at t = " in reason


def test_a_failed_run_is_tried_again(tmp_path, plugins):
    (run,) = tiny_plan(plugins=plugins, methods=["absent"])
    carry_out([run], tmp_path, plugins)
    mended = load_plugins(environ={})
    mended.register(MethodSpec("absent", mended.methods.get("fm-ot").factory))
    # The spec has no sigma_min: the class's constructor asks for one, and the row says so.
    carry_out([run], tmp_path, mended)
    assert "sigma_min" in RunDirectory.of(tmp_path, run).status().reason


def test_a_number_that_is_not_finite_is_missing_and_says_so(tmp_path):
    from fmbench.metrics.base import MetricValue
    from fmbench.run.evaluate import records

    (run,) = tiny_plan(methods=["fm-ot"])
    nll = load_plugins(environ={}).metrics.get("nll")
    (bad,) = records(run, nll, [MetricValue("nll", float("nan"))], seconds=1.0)
    assert (bad.value, bad.reason) == (None, "is nan")
    (good,) = records(run, nll, [MetricValue("nll", 2.5)], seconds=1.0)
    assert (good.value, good.reason) == (2.5, "")


def test_evaluating_again_keeps_who_trained(tmp_path):
    import json

    (run,) = tiny_plan(methods=["fm-ot"])
    carry_out([run], tmp_path)
    path = RunDirectory.of(tmp_path, run).path / "env.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps({**before, "train": {**before["train"], "python": "from another machine"}}))
    (other,) = tiny_plan("nll.probes=2", methods=["fm-ot"])
    carry_out([other], tmp_path)
    after = json.loads(path.read_text())
    assert after["train"]["python"] == "from another machine"
    assert after["evaluate"]["seconds"] != before["evaluate"]["seconds"]
