"""Which solver has a likelihood soonest at equal error: python benchmarks/solvers.py [method steps points].

A method is trained on the digits for some steps (by default fm-ot, for 2400). The log-densities of held-out digits
(120) are then taken with the same probes, by several solvers at several tolerances, each beside a dopri5 at 1e-9. The
error is the root mean square over points, in bits/dim. Calls are those of the network for all points together; of
solvers with steps of each point's own they are the mean over points of what a point took, and the seconds those of the
whole batch.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchdiffeq import odeint

from fmbench import commands
from fmbench.data.base import Dataset
from fmbench.data.digits import digits
from fmbench.execution import Execution
from fmbench.methods.base import Method
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.seeding import stream
from fmbench.solvers.likelihood import bits_per_dim, divergence, rademacher
from fmbench.solvers.ode import FIRST_STEP
from fmbench.store.run import RunDirectory
from fmbench.training.session import TrainingSession, load_averaged

PROBES = 4
TOGETHER = ("bosh3", "dopri5", "dopri8")
OWN = ("Dopri5", "Tsit5")
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


class Joint:
    """The flow and its divergence as one field, which counts its calls and the points in them.

    Args:
        method: whose flow it is.
        x: (n, *shape), where the densities are asked.
    """

    def __init__(self, method: Method, x: Tensor) -> None:
        self.method, self.shape = method, x.shape
        self.probes = rademacher(PROBES, x, stream("cpu", 0, "probes"))
        self.start = torch.cat([x.flatten(1), x.new_zeros(len(x), PROBES)], dim=1)
        self.calls = 0

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        """dx/dt and the divergence, at one time or at one of each point's."""
        self.calls += 1
        x = state[:, : -PROBES or None].reshape(self.shape)
        velocity, trace = divergence(self.method.velocity, t, x, self.probes)
        return torch.cat([velocity.flatten(1), trace], dim=1)

    def log_prob(self, end: Tensor) -> Tensor:
        """Of the state at the source."""
        return self.method.source_log_prob(end[:, :-PROBES]) + end[:, -PROBES:].mean(dim=1)


def together(name: str, tolerance: float, field: Joint) -> tuple[Tensor, float]:
    """By torchdiffeq: the steps of the whole batch; the state at the source and the calls."""
    t_min, t_max = field.method.interval
    times = torch.tensor([t_max, t_min], dtype=torch.float64)
    options: dict[str, Any] = {"first_step": FIRST_STEP, "step_t": times[-1:], "dtype": torch.float64}
    field.calls = 0
    states = odeint(field, field.start, times, method=name, rtol=tolerance, atol=tolerance, options=options)
    return states[-1], field.calls


def own(name: str, tolerance: float, field: Joint) -> tuple[Tensor, float]:
    """By torchode: steps of each point's own; the state at the source and the calls that a point took."""
    import torchode

    t_min, t_max = field.method.interval
    term = torchode.ODETerm(lambda t, state: field(t.clamp(t_min, t_max), state))
    controller = torchode.IntegralController(atol=tolerance, rtol=tolerance, term=term)
    solver = torchode.AutoDiffAdjoint(getattr(torchode, name)(term=term), controller, max_steps=10_000)
    n = len(field.start)
    ends = (field.start.new_full((n,), end) for end in (t_max, t_min))
    problem = torchode.InitialValueProblem(field.start, *ends)
    with torch.no_grad():
        solution = solver.solve(problem, dt0=field.start.new_full((n,), -FIRST_STEP))
    return solution.ys[:, -1], 1 + 6 * float(solution.stats["n_steps"].double().mean())


def trained(name: str, steps: int, data: Dataset) -> Method:
    """A method with the averaged weights."""
    plugins = load_plugins(environ={})
    (run,) = commands.plan(plugins, methods=[name], assignments=[f"train.steps={steps}"])
    session = TrainingSession(data, plugins, Execution("cpu"), Silent())
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        session.train(run.training, session.build(run.training), directory)
        return load_averaged(session.build(run.training), directory, torch.device("cpu"))


def main(name: str, steps: int, points: int) -> None:
    """Print a table."""
    data = digits()
    method = trained(name, steps, data)
    x = data.transform.encode(data.test[:points], stream("cpu", 0, "dequantise"))
    field = Joint(method, x)
    dimension = x[0].numel()
    truth = field.log_prob(together("dopri5", 1e-9, field)[0])
    print(f"{name} after {steps} steps, {points} points, {torch.get_num_threads()} threads")
    print(f"the truth took {field.calls} calls")
    ways: list[tuple[str, Callable[[str, float, Joint], tuple[Tensor, float]]]] = [
        *((name, together) for name in TOGETHER),
        *((name, own) for name in OWN),
    ]
    for solver, solve in ways:
        for tolerance in TOLERANCES:
            begun = time.perf_counter()
            end, calls = solve(solver, tolerance, field)
            seconds = time.perf_counter() - begun
            error = float(bits_per_dim(field.log_prob(end) - truth, dimension).square().mean().sqrt())
            of = "a point's own" if solve is own else "of the batch"
            cost = f"error {error:8.1e}  {calls:6.0f} calls  {seconds:6.2f} s"
            print(f"{solver:7s} {of:14s} {tolerance:6.0e}  {cost}", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:] or ["fm-ot", "2400", "120"]
    main(given[0], int(given[1]), int(given[2]))
