"""Continuous normalizing flows by maximum likelihood.

Chen et al. 2018 (neural ODEs); Grathwohl et al. 2019 (FFJORD); Finlay et al. 2020 (RNODE); Dupont et al. 2019 (ANODE).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torchdiffeq import odeint, odeint_adjoint

from fmbench.api import Batch, CountedNetwork, FlowMethod, LikelihoodSettings, LogDensity, Sampler, Task, likelihood

FIRST_STEP = 0.1  # of dopri5 in training: its guess unclipped could leave the interval
TIME_SCALE = 0.01  # what the network sees of t


class CNF(FlowMethod):
    """dx/dt = v(t, x), trained so that the data have the highest density under the flow of N(0, I).

    The loss solves the ODE from data to noise with the trace of dv/dx beside the state (Chen et al. 2018, theorem 1),
    the trace estimated with one random probe that a solve keeps (Grathwohl et al. 2019, eq. 7-8).

    Likelihood finds the weakness of a coarse solver: from data to noise the flow expands, a step that is too long
    expands less than the flow while the trace counts in full, and the loss falls without a better density. An adaptive
    solver holds the two together; in fixed steps they must be watched.

    The shared networks embed t by sinusoids of up to 1000 t, made for a regression at random times. The steps of a
    training solve cannot follow a field that varies as fast, so the network sees 0.01 t, the slow part of them.

    Args:
        task: the shape and scale of the data, and the shared network.
        solver: of training: "dopri5", or "rk4" or "midpoint" in fixed steps.
        steps: of a fixed-step solver.
        tol: relative and absolute tolerance of dopri5 in training.
        exact_up_to: dimensions up to which training takes the exact trace, a vector-Jacobian product a dimension.
        gradient: "backprop" through the steps, or "adjoint": the adjoint ODE solved backwards, in constant memory.
        kinetic: weight of the kinetic energy, the integral of |v|^2 / d.
        jacobian: weight of the integral of |dv/dx|_F^2 / d.
        augment: channels (of images) or coordinates (of vectors) of noise beside the data.
    """

    def __init__(
        self,
        task: Task,
        *,
        solver: str,
        steps: int,
        tol: float,
        exact_up_to: int,
        gradient: str,
        kinetic: float,
        jacobian: float,
        augment: int = 0,
    ) -> None:
        super().__init__(task)
        self.solver, self.steps, self.tol, self.gradient = solver, steps, tol, gradient
        self.exact_up_to, self.kinetic, self.jacobian = exact_up_to, kinetic, jacobian
        self.state_shape = (task.shape[0] + augment, *task.shape[1:])
        self.network = CountedNetwork(task.network(self.state_shape))
        # dopri5 fits its steps to all the points that it solves together: in parts it would take others.
        self.shares_batch = solver != "dopri5"

    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt; t a number or (n,), x (n, *state_shape). The network runs in the dtype of its weights."""
        dtype = next((parameter.dtype for parameter in self.parameters()), torch.float32)
        times = torch.as_tensor(t, device=x.device).to(dtype).reshape(-1)  # (n,), or (1,) for one time
        output: Tensor = self.network(TIME_SCALE * times, (x / self.task.data_rms).to(dtype))
        return output.to(x.dtype)

    def source(self, n: int, generator: torch.Generator) -> Tensor:
        """N points of N(0, I); (n, *state_shape), float64."""
        return torch.randn(n, *self.state_shape, generator=generator, device=generator.device, dtype=torch.float64)

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of N(0, I), in nats; x (n, ...), result (n,)."""
        return -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """-log p(x) / d in nats, plus the weighted regularisers (Finlay et al. 2020, section 3)."""
        return self._objective(batch.x, batch)

    def _objective(self, x: Tensor, batch: Batch) -> Tensor:
        """The mean loss of those rows of points (n, *state_shape) that are to be computed, in nats a dimension."""
        columns, generator = math.prod(self.state_shape), batch.generator
        probes = self._probes(x.flatten(1), generator)[:, batch.rows]
        x = batch.mine(x)
        start = torch.cat([x.flatten(1), x.new_zeros(len(x), 3)], dim=1)
        end = self._solve(lambda t, state: self._rates(t, state, probes), start, generator)
        # The solve runs from t = 1 to 0: the integrals in the last columns come out with their signs reversed.
        trace, kinetic, jacobian = -end[:, columns:].mean(dim=0)
        log_prob = self.source_log_prob(end[:, :columns]).mean() / self.task.dimension - trace
        return self.kinetic * kinetic + self.jacobian * jacobian - log_prob

    def _probes(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Vectors e whose sums over e^T J e and |e^T J|^2 are tr J and |J|_F^2; (p, n, columns).

        The unit vectors give both exactly, one vector of random signs gives both in expectation.
        """
        columns = x.shape[1]
        if columns > self.exact_up_to:
            return likelihood.rademacher(1, x, generator)
        return torch.eye(columns, dtype=x.dtype, device=x.device)[:, None].expand(columns, *x.shape)

    def _rates(self, t: Tensor, state: Tensor, probes: Tensor) -> Tensor:
        """d/dt of (x, and a dimension: log-volume, kinetic energy, squared Jacobian); (n, columns + 3).

        It differentiates the network even where autograd is off, as in the forward solve of the adjoint.
        """
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            x = state[:, :-3] if differentiable else state[:, :-3].detach()
            x = x if x.requires_grad else x.requires_grad_()
            v = self.velocity(t, x.reshape(-1, *self.state_shape)).flatten(1)
            rows = [torch.autograd.grad(v, x, e, create_graph=differentiable, retain_graph=True)[0] for e in probes]
        trace = sum((row * e).sum(dim=1) for row, e in zip(rows, probes, strict=True))
        frobenius = sum(row.square().sum(dim=1) for row in rows)
        integrands = torch.stack([trace, v.square().sum(dim=1), frobenius], dim=1) / self.task.dimension
        return torch.cat([v, integrands], dim=1)

    def _solve(self, rates: Callable[[Tensor, Tensor], Tensor], start: Tensor, generator: torch.Generator) -> Tensor:
        """The state at t = 0 of d state/dt = rates(t, state) from t = 1, differentiable in the weights."""

        def field(s: Tensor, state: Tensor) -> Tensor:
            return -rates(1 - s, state)

        times = torch.tensor([0.0, 1.0], dtype=torch.float64, device=start.device)  # s = 1 - t
        if self.solver == "dopri5":
            options = {"first_step": FIRST_STEP, "step_t": times[1:], "dtype": torch.float64}
            # The adjoint ends where the solve began. Its step size need not heed the accumulated gradients of the
            # weights, which feed nothing back (Kidger et al. 2021, section 3).
            adjoint_options = {**options, "step_t": times[:1], "norm": "seminorm"}
        else:
            options = adjoint_options = {"grid_constructor": random_grid(self.steps, generator, start.device)}
        settings = {"method": self.solver, "rtol": self.tol, "atol": self.tol, "options": options}
        if self.gradient == "backprop":
            end: Tensor = odeint(field, start, times, **settings)[-1]
        else:
            adjoint = {"adjoint_params": tuple(self.parameters()), "adjoint_options": adjoint_options}
            end = odeint_adjoint(field, start, times, **settings, **adjoint)[-1]
        return end


def random_grid(steps: int, generator: torch.Generator, device: torch.device) -> Callable[..., Tensor]:
    """What torchdiffeq asks for a grid between 0 and 1, in either direction: each inner knot uniform in its cell.

    A network trained on one grid of few steps is free to err between its times; random ones leave it no such place
    (as random ends of the interval do: Ghosh et al. 2020).
    """
    jitter = torch.rand(steps - 1, generator=generator, device=device, dtype=torch.float64) - 0.5
    inner = (torch.arange(1, steps, device=device) + jitter) / steps
    knots = torch.cat([inner.new_zeros(1), inner, inner.new_ones(1)])

    def grid(_field: object, _state: Tensor, ends: Tensor) -> Tensor:
        return knots if ends[0] < ends[-1] else knots.flip(0)

    return grid


class ANODE(CNF):
    """A flow of the data x beside noise a ~ N(0, I), both carried to N(0, I): an augmented neural ODE.

    The paths of an ODE cannot cross; in a larger space they need not (Dupont et al. 2019, section 4). With q(a) =
    N(0, I), log p(x, a) - log q(a) is on average a lower bound of log p(x), tight where the model keeps a independent
    of x (Huang et al. 2020, eq. 4): it is what training raises. Samples drop a.

    Args:
        task: the shape and scale of the data, and the shared network.
        augment: channels (of images) or coordinates (of vectors) of a.
        draws: K, the draws of a in the bound.
        options: as the CNF's.
    """

    def __init__(self, task: Task, *, augment: int, draws: int, **options: bool | int | float | str) -> None:
        super().__init__(task, augment=augment, **options)
        self.draws = draws

    def loss(self, batch: Batch) -> Tensor:
        """E[log q(a) - log p(x, a)] / d in nats, one draw of a point, plus the weighted regularisers."""
        joint, log_q = self._augmented(batch.x, batch.generator)
        return self._objective(joint, batch) + batch.mine(log_q).mean() / self.task.dimension

    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """N samples by a named sampler in the joint space, without a; (n, *shape), float64."""
        return super().sample(n, settings, generator)[:, : self.task.shape[0]]

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
        """None: the density of x alone is an integral over a."""
        raise NotImplementedError("an augmented flow has a bound, not a log-density")

    @torch.no_grad()
    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """-log (1/K) sum_k p(x, a_k) / q(a_k) over K = `draws` draws, an upper bound on -log p(x); (n,), nats.

        (Burda et al. 2016, eq. 8.) That is where the trace is exact. Where it is estimated, the exponential would
        turn its noise into density that is not there, and the result is the mean over the draws, the bound of K = 1.
        """
        settings = LikelihoodSettings()
        ratios = []
        for _ in range(self.draws):
            joint, log_q = self._augmented(x, generator)
            ratios.append(likelihood.ode_log_prob(self, joint, settings, generator).value - log_q)
        each = torch.stack(ratios)
        exact = math.prod(self.state_shape) <= settings.exact_up_to
        return -(likelihood.log_mean_exp(each) if exact else each.mean(dim=0))

    def _augmented(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(x, a) of shape (n, *state_shape) and log q(a), (n,)."""
        shape = (len(x), self.state_shape[0] - self.task.shape[0], *self.state_shape[1:])
        a = torch.randn(shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.cat([x, a], dim=1), self.source_log_prob(a)
