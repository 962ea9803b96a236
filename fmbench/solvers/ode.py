"""Ordinary differential equations, solved by torchdiffeq within the interval that was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torchdiffeq import odeint

from fmbench.errors import SolverError
from fmbench.request.schema import Sampler
from fmbench.solvers.nfe import Tally

Field = Callable[[float, Tensor], Tensor]
"""dx/dt = field(t, x), t a plain number."""

FIXED = {"euler": "euler", "midpoint": "midpoint", "heun": "heun2", "rk4": "rk4"}
ADAPTIVE = ("dopri5", "bosh3")
FIRST_STEP = 1e-2
MOST_CALLS = 10_000  # of an adaptive solve: trained networks took up to some 2000 at tolerance 1e-5
ADVICE = "take a fixed-step solver or a larger tolerance"


class VelocityField(Protocol):
    """What ODE sampling asks of a method."""

    @property
    def interval(self) -> tuple[float, float]:
        """(t_min, t_max)."""

    @property
    def tally(self) -> Tally:
        """Where accepted and rejected steps are noted."""

    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt at time t, a number or (n,)."""


class RightHandSide(nn.Module):
    """A field as an adaptive solver calls it, and tells it of its steps; it remembers where it was asked last."""

    def __init__(self, field: Field, tally: Tally, solver: str) -> None:
        super().__init__()
        self._field, self._count, self._solver = field, tally.count, solver
        self.calls, self.t, self.value = 0, math.nan, torch.empty(0)

    def forward(self, t: Tensor, state: Tensor) -> Tensor:
        """dx/dt.

        Raises:
            SolverError: the solve does not end.
        """
        self.calls, self.t = self.calls + 1, float(t)
        if self.calls > MOST_CALLS:
            raise SolverError(
                f"{self._solver} was stopped at t = {self.t:.6g}, after {MOST_CALLS} evaluations: the velocity is not "
                f"smooth there; {ADVICE}"
            )
        self.value = self._field(self.t, state)
        return self.value

    @property
    def failure(self) -> str:
        """Why a step came to nothing."""
        if not torch.isfinite(self.value).all():
            return f"the velocity is not finite at t = {self.t:.6g}"
        return f"the steps became too small at t = {self.t:.6g}: the velocity is singular or not smooth there; {ADVICE}"

    def callback_accept_step(self, *step: Tensor) -> None:
        """An adaptive step was good enough."""
        del step
        self._count.accepted += 1

    def callback_reject_step(self, *step: Tensor) -> None:
        """An adaptive step was not, and is tried again at half the size or so."""
        del step
        self._count.rejected += 1


def solve(
    field: Field,
    x: Tensor,
    interval: tuple[float, float],
    *,
    method: str,
    rtol: float,
    atol: float,
    steps: int = 0,
    tally: Tally | None = None,
) -> Tensor:
    """The state at interval[1] of dx/dt = field(t, x) that starts from x at interval[0].

    An adaptive solver left to itself evaluates the field outside the interval (its first step is guessed unclipped, its
    last one overshoots and is interpolated back), where a path may not exist: `first_step` and `step_t` prevent both.
    With them dopri5 makes 1 + 6 calls a step tried, and bosh3 1 + 3; Euler makes 1, midpoint and Heun 2, rk4 4.

    Args:
        field: the right-hand side.
        x: the state, (n, ...), float64.
        interval: start and end; the end may be the smaller.
        method: one of ADAPTIVE, or a key of FIXED.
        rtol: relative tolerance of an adaptive method; its error norm is over the whole batch.
        atol: its absolute tolerance.
        steps: number of equal steps of a fixed-step method.
        tally: where an adaptive method notes the steps that it accepts and rejects.

    Raises:
        SolverError: the step size underflowed, the solve does not end, or the result is not finite.
    """
    if method in ADAPTIVE:
        return follow(field, x, interval, rtol=rtol, atol=atol, tally=tally, method=method)[-1]

    def grid(_field: Field, _state: Tensor, ends: Tensor) -> Tensor:
        return torch.linspace(float(ends[0]), float(ends[-1]), steps + 1, dtype=ends.dtype, device=ends.device)

    times = torch.tensor(interval, dtype=torch.float64, device=x.device)
    solution = odeint(
        lambda t, state: field(float(t), state), x, times, method=FIXED[method], options={"grid_constructor": grid}
    )
    return finite(solution, method)[-1]


def follow(
    field: Field,
    x: Tensor,
    times: Sequence[float],
    *,
    rtol: float,
    atol: float,
    tally: Tally | None = None,
    method: str = "dopri5",
) -> Tensor:
    """The states on the way, by an adaptive method; its steps heed the last time alone, between them it interpolates.

    dopri5 is of Dormand and Prince 1980, bosh3 of Bogacki and Shampine 1989.

    Args:
        field: the right-hand side.
        x: the state at times[0], (n, ...), float64.
        times: rising or falling, two or more.
        rtol: relative tolerance; the error norm is over the whole batch.
        atol: absolute tolerance.
        tally: where the steps are noted that it accepts and rejects.
        method: one of ADAPTIVE.

    Returns:
        (len(times), n, ...).

    Raises:
        SolverError: the step size underflowed, the solve does not end, or a state is not finite.
    """
    moments = torch.tensor(times, dtype=torch.float64, device=x.device)
    first = min(FIRST_STEP, abs(times[-1] - times[0]))
    options = {"first_step": first, "step_t": moments[-1:], "dtype": torch.float64}
    rates = RightHandSide(field, tally or Tally(), method)
    try:
        states = odeint(rates, x, moments, method=method, rtol=rtol, atol=atol, options=options)
    except AssertionError as error:  # torchdiffeq asserts that the step did not underflow
        raise SolverError(f"{method} at rtol {rtol:g}, atol {atol:g}: {rates.failure}") from error
    return finite(states, method)


def finite(states: Tensor, method: str) -> Tensor:
    """The states, unless a method went where there are none.

    Raises:
        SolverError: one is not finite.
    """
    if not torch.isfinite(states).all():
        raise SolverError(f"{method} left the finite numbers: take more steps, or dopri5")
    return states


def sample(method: VelocityField, x0: Tensor, settings: Sampler, generator: torch.Generator) -> Tensor:
    """Carry x0, of shape (n, ...), from noise to data along the method's velocity."""
    del generator  # the flow is deterministic
    with torch.no_grad():
        return solve(
            method.velocity,
            x0,
            method.interval,
            method=settings.name,
            rtol=settings.rtol,
            atol=settings.atol,
            steps=settings.steps,
            tally=method.tally,
        )
