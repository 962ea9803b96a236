from __future__ import annotations

import math
import re

import pytest
import torch

from fmbench import paths
from fmbench.errors import SolverError
from fmbench.request.schema import Sampler
from fmbench.solvers.nfe import Tally, counted
from fmbench.solvers.ode import ADAPTIVE, FIXED, MOST_CALLS, solve
from fmbench.testing.oracles import oracle_method

STAGES = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}
ORDER = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def rotate(t, x):
    """A field whose solution is known: it turns x by an angle of t^2."""
    return 2 * t * torch.stack([-x[:, 1], x[:, 0]], dim=1)


def turned(x, angle):
    c, s = math.cos(angle), math.sin(angle)
    return x @ torch.tensor([[c, s], [-s, c]], dtype=x.dtype)


@pytest.mark.parametrize("interval", [(0.0, 1.0), (1.0, 0.0), (0.2, 0.9)])
@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_steps_solve_a_rotation_both_ways(name, interval):
    x = torch.tensor([[1.0, 0.0], [0.3, -2.0]], dtype=torch.float64)
    end = solve(rotate, x, interval, method=name, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(end, turned(x, interval[1] ** 2 - interval[0] ** 2), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", FIXED)
def test_fixed_steps_converge_at_their_order(name):
    x = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    errors = [
        (solve(rotate, x, (0.0, 1.0), method=name, rtol=1, atol=1, steps=steps) - turned(x, 1.0)).abs().max().item()
        for steps in (20, 40)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(ORDER[name], abs=0.25)


@pytest.mark.parametrize("interval", [(0.0, 1.0), (1 - 1e-5, 0.0)])
@pytest.mark.parametrize("name", [*ADAPTIVE, *FIXED])
def test_the_field_is_never_asked_outside_the_interval(name, interval):
    """Left to itself dopri5 probes t = 1.39 and t = -45.8 here."""
    seen = []

    def field(t, x):
        seen.append(t)
        return 1e-6 * x

    solve(field, torch.ones(3, 2, dtype=torch.float64), interval, method=name, rtol=1e-5, atol=1e-5, steps=7)
    assert min(interval) <= min(seen)
    assert max(seen) <= max(interval)


@pytest.mark.parametrize("name", FIXED)
def test_fixed_step_nfe_is_stages_times_steps(law, generator, name):
    method = oracle_method(law, paths.CondOT())
    with counted(method) as count:
        method.sample(10, Sampler(name=name, steps=13), generator)
    assert count.calls == STAGES[name] * 13
    assert count.rows == 10 * count.calls
    assert count.vjps == 0


def test_dopri5_nfe_is_one_plus_six_a_step(law, generator):
    method = oracle_method(law, paths.CondOT())
    calls = []
    velocity = method.velocity
    method.velocity = lambda t, x: calls.append(t) or velocity(t, x)
    with counted(method) as count:
        method.sample(10, Sampler(name="dopri5"), generator)
    assert count.calls == len(calls)
    assert (count.calls - 1) % 6 == 0
    # A Dormand-Prince step asks at 1/5, 3/10, 4/5, 8/9, 1 and 1 of its length: the first step is 1e-2 long.
    assert calls[:7] == pytest.approx([0, 0.002, 0.003, 0.008, 0.01 * 8 / 9, 0.01, 0.01])


def test_bosh3_asks_at_the_stages_of_bogacki_and_shampine():
    """At 1/2, 3/4 and 1 of a step's length; the last stage is the first of the next step."""
    calls, tally = [], Tally()

    def field(t, x):
        calls.append(t)
        return rotate(t, x)

    solve(field, torch.ones(3, 2, dtype=torch.float64), (0.0, 1.0), method="bosh3", rtol=1e-5, atol=1e-5, tally=tally)
    assert calls[:4] == pytest.approx([0, 0.005, 0.0075, 0.01])
    assert len(calls) == 1 + 3 * (tally.count.accepted + tally.count.rejected)


def test_a_field_that_explodes_is_a_solver_error():
    with pytest.raises(SolverError):
        solve(
            lambda _, x: x**3 * 1e6,
            torch.ones(2, 2, dtype=torch.float64),
            (0.0, 1.0),
            method="dopri5",
            rtol=1e-5,
            atol=1e-5,
        )
    with pytest.raises(SolverError, match="euler left the finite numbers"):
        solve(
            lambda _, x: x**3 * 1e6,
            torch.ones(2, 2, dtype=torch.float64),
            (0.0, 1.0),
            method="euler",
            rtol=1,
            atol=1,
            steps=20,
        )


class TestWhyASolveFails:
    """What, at which t, and what to do."""

    def of(self, field, interval=(0.0, 1.0), method="dopri5"):
        with pytest.raises(SolverError) as caught:
            solve(field, torch.ones(3, 2, dtype=torch.float64), interval, method=method, rtol=1e-5, atol=1e-5)
        return str(caught.value)

    def test_a_singular_velocity(self):
        said = self.of(lambda t, x: x.sign() * abs(t - 0.4) ** -1.5)
        assert re.search(r"rtol 1e-05, atol 1e-05: the steps became too small at t = 0\.(4|3999)\d*: the vel", said)
        assert said.endswith("take a fixed-step solver or a larger tolerance")

    def test_a_velocity_that_is_none(self):
        assert self.of(lambda t, x: x * (math.nan if t > 0.5 else 1)).startswith("dopri5 at rtol 1e-05, atol 1e-05: ")
        assert "the velocity is not finite at t = 0" in self.of(lambda _, x: x * math.nan)

    def test_one_that_never_ends(self, monkeypatch):
        monkeypatch.setattr("fmbench.solvers.ode.MOST_CALLS", 300)
        said = self.of(lambda _, x: 50 * torch.sin(1e6 * x), interval=(1.0, 0.0))
        assert re.match(r"dopri5 was stopped at t = 0\.999\d*, after 300 evaluations: the velocity is not smooth", said)

    def test_the_solver_is_named(self, monkeypatch):
        monkeypatch.setattr("fmbench.solvers.ode.MOST_CALLS", 300)
        assert self.of(lambda _, x: x * math.nan, method="bosh3").startswith("bosh3 at rtol 1e-05, atol 1e-05: ")
        said = self.of(lambda _, x: 50 * torch.sin(1e6 * x), method="bosh3")
        assert said.startswith("bosh3 was stopped at t = ")

    def test_as_much_as_trained_networks_take_is_far_below_the_limit(self):
        assert MOST_CALLS >= 5 * 1730
