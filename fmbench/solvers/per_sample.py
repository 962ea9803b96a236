"""dopri5 with steps of each sample's own, by torchode: what a sample costs when its batch does not decide for it."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.errors import SolverError
from fmbench.solvers.ode import ADVICE, FIRST_STEP, MOST_CALLS, VelocityField

STAGES = 6  # calls of a step


def solve_each(flow: VelocityField, x0: Tensor, rtol: float, atol: float) -> tuple[Tensor, Tensor]:
    """Carry each point of x0, (n, ...), float64, from noise to data with its own steps.

    Lienen and Guennemann 2022 (torchode). Like `solve`, it starts with a step of FIRST_STEP, of which the first stage
    is one call and every step tried six more.

    Returns:
        The points at the data end, shaped as x0, and the steps that each has tried, (n,).

    Raises:
        ImportError: torchode is not installed.
        SolverError: a solve failed.
    """
    import torchode  # an extra

    n, shape = len(x0), x0.shape[1:]
    start, end = flow.interval

    def field(t: Tensor, state: Tensor) -> Tensor:
        # Samples that have arrived wait for the others beyond the end, where a path may not exist.
        velocity: Tensor = flow.velocity(t.clamp(start, end), state.reshape(n, *shape)).flatten(1)
        return velocity

    term = torchode.ODETerm(field)
    controller = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
    solver = torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), controller, max_steps=MOST_CALLS // STAGES)
    problem = torchode.InitialValueProblem(
        y0=x0.flatten(1), t_start=x0.new_full((n,), start), t_end=x0.new_full((n,), end)
    )
    with torch.no_grad():
        solution = solver.solve(problem, dt0=x0.new_full((n,), min(FIRST_STEP, end - start)))
    failed = solution.status != 0
    if failed.any():
        why = torchode.Status(int(solution.status[failed][0])).name.lower().replace("_", " ")
        raise SolverError(
            f"dopri5 with steps of each sample's own failed for {int(failed.sum())} of {n} samples: {why}; {ADVICE}"
        )
    if not torch.isfinite(solution.ys).all():
        raise SolverError("dopri5 with steps of each sample's own left the finite numbers: the velocity is not finite")
    return solution.ys[:, -1].reshape(x0.shape), solution.stats["n_steps"]
