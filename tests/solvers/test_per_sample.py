"""Steps of each sample's own."""

from __future__ import annotations

import pytest
import torch

from fmbench import paths
from fmbench.errors import SolverError
from fmbench.metrics import nfe
from fmbench.request.schema import Sampler
from fmbench.solvers.nfe import counted
from fmbench.solvers.ode import solve
from fmbench.store.run import RunDirectory
from fmbench.testing.oracles import oracle_method
from tests.helpers import carry_out, tiny_plan

pytest.importorskip("torchode")
from fmbench.solvers.per_sample import solve_each


@pytest.mark.parametrize(("path", "predicts"), [(paths.CondOT(), "velocity"), (paths.VE(), "noise")])
def test_same_end_as_the_batch_and_the_same_steps_alone(law, generator, path, predicts):
    method = oracle_method(law, path, predicts)
    x0 = method.source(20, generator)
    end, steps = solve_each(method, x0, 1e-6, 1e-6)
    together = solve(method.velocity, x0, method.interval, method="dopri5", rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(end, together, rtol=0, atol=1e-3)
    for i in (0, 7):
        with counted(method) as count:
            alone, own = solve_each(method, x0[i : i + 1], 1e-6, 1e-6)
        assert own.item() == steps[i].item()
        assert count.calls == 1 + 6 * own.item()
        torch.testing.assert_close(alone[0], end[i], rtol=0, atol=1e-6)
    assert steps.unique().numel() > 1  # the samples do differ


def test_the_field_is_never_asked_outside_the_interval(law, generator):
    method = oracle_method(law, paths.VP(), "noise")
    seen, velocity = [], method.velocity
    method.velocity = lambda t, x: seen.append(t) or velocity(t, x)
    solve_each(method, method.source(8, generator), 1e-4, 1e-4)
    times = torch.cat(seen)
    assert method.interval[0] <= times.min()
    assert times.max() <= method.interval[1]


def test_accepted_and_rejected_steps_of_a_batch_are_counted(law, generator):
    method = oracle_method(law, paths.VE(), "noise")
    with counted(method) as count:
        method.sample(16, Sampler(), generator)
    assert count.calls == 1 + 6 * (count.accepted + count.rejected)
    assert count.accepted > 5
    with counted(method) as fixed:
        method.sample(16, Sampler(name="heun", steps=4), generator)
    assert (fixed.accepted, fixed.rejected) == (0, 0)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_metric_follows_the_field_that_is_sampled(tmp_path, guidance, monkeypatch):
    """With classes and guidance: two calls for each evaluation, on the labels that sampling draws."""
    fields = []
    monkeypatch.setattr(nfe, "solve_each", lambda field, *given: fields.append(field) or solve_each(field, *given))
    (run,) = tiny_plan(
        "train.conditional=true",
        f"sampler.guidance={guidance}",
        "nfe-per-sample.samples=3",
        methods=["fm-ot"],
        metrics=["nfe-per-sample"],
    )
    assert carry_out([run], tmp_path).complete
    assert [(field.guidance, len(field.labels)) for field in fields] == [(guidance, 3)]
    (record,) = RunDirectory.of(tmp_path, run).metrics()
    calls = 1 if guidance == 1 else 2
    for value in (record.details["min"], record.details["max"]):
        assert value % calls == 0
        assert (value / calls) % 6 == 1


def test_a_solve_that_never_ends_is_stopped(law, generator, monkeypatch):
    monkeypatch.setattr("fmbench.solvers.per_sample.MOST_CALLS", 60)
    method = oracle_method(law, paths.CondOT())
    method.velocity = lambda _t, x: 50 * torch.sin(1e6 * x)
    with pytest.raises(SolverError, match=r"failed for 4 of 4 samples: reached max steps; take a fixed-step solver"):
        solve_each(method, method.source(4, generator), 1e-5, 1e-5)
