"""Log-densities: change of variables along a flow, dequantisation of integer levels, bits/dim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fmbench.solvers.nfe import Tally
from fmbench.solvers.ode import Field, solve


@dataclass(frozen=True)
class LogDensity:
    """Log-densities of n points.

    Args:
        value: (n,), nats.
        error: (n,), standard error of each value from the random probes of its trace; None when nothing was random.
        each: (n, p), unbiased estimates of which the value is the mean, one per probe; None where there are none to
            tell apart. Whoever takes a function of several densities takes it of each, and then the mean.
    """

    value: Tensor
    error: Tensor | None = None
    each: Tensor | None = None

    @classmethod
    def of(cls, each: Tensor) -> LogDensity:
        """The mean of p estimates of each density, (n, p), with its standard error where there are several."""
        probes = each.shape[1]
        return cls(each.mean(dim=1), each.std(dim=1) / math.sqrt(probes) if probes > 1 else None, each)


@dataclass(frozen=True, kw_only=True)
class LikelihoodSettings:
    """How a log-density is computed.

    Args:
        solver: one of solvers.ode.ADAPTIVE, or a key of FIXED there.
        steps: of a fixed-step solver.
        rtol: relative tolerance of an adaptive one.
        atol: its absolute tolerance.
        exact_up_to: dimensions up to which the trace is exact (that many vector-Jacobian products an evaluation).
        probes: Rademacher vectors of the Hutchinson estimate above that.
    """

    solver: str = "dopri5"
    steps: int = 0
    rtol: float = 1e-5
    atol: float = 1e-5
    exact_up_to: int = 16
    probes: int = 4


class DensityFlow(Protocol):
    """What the change of variables asks of a method."""

    @property
    def interval(self) -> tuple[float, float]:
        """(t_min, t_max)."""

    @property
    def tally(self) -> Tally:
        """Where accepted and rejected steps are noted."""

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density at t_min, in nats, of x (n, d); shape (n,)."""

    def velocity(self, t: float, x: Tensor) -> Tensor:
        """dx/dt at time t."""


def ode_log_prob(flow: DensityFlow, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
    """Log p(x) by the instantaneous change of variables, integrated from data to noise.

    log p_1(x_1) = log p_0(x_0) - int_0^1 div v(t, x_t) dt (Chen et al. 2018, theorem 1; Grathwohl et al. 2019,
    eq. 4). The probes are drawn once and kept for the whole solve.

    Args:
        flow: the interval, the source and the velocity.
        x: (n, ...), float64, model space.
        settings: tolerances and the trace.
        generator: source of the probes.

    Raises:
        SolverError: the solve failed.
    """
    n, shape = len(x), x.shape[1:]
    dimension = shape.numel()
    probes = None if dimension <= settings.exact_up_to else rademacher(settings.probes, x, generator)
    columns = 1 if probes is None else len(probes)

    def field(t: float, state: Tensor) -> Tensor:
        velocity, trace = divergence(flow.velocity, t, state[:, :dimension].reshape(n, *shape), probes)
        return torch.cat([velocity.flatten(1), trace], dim=1)

    start = torch.cat([x.flatten(1), x.new_zeros(n, columns)], dim=1)
    t_min, t_max = flow.interval
    end = solve(
        field,
        start,
        (t_max, t_min),
        method=settings.solver,
        rtol=settings.rtol,
        atol=settings.atol,
        steps=settings.steps,
        tally=flow.tally,
    )
    # Integrated from data to noise, the accumulated trace is minus the integral from noise to data.
    each = flow.source_log_prob(end[:, :dimension])[:, None] + end[:, dimension:]
    return LogDensity(each[:, 0]) if probes is None else LogDensity.of(each)


def rademacher(count: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """`count` tensors of random signs, each shaped as `like`."""
    bits = torch.randint(0, 2, (count, *like.shape), generator=generator, device=like.device)
    return (2 * bits - 1).to(like.dtype)


def divergence(field: Field, t: float, x: Tensor, probes: Tensor | None) -> tuple[Tensor, Tensor]:
    """The field and its divergence in one evaluation.

    Args:
        field: the field.
        t: time.
        x: (n, ...).
        probes: (p, n, ...) for the Hutchinson estimate e^T (dv/dx) e of each probe, or None for the exact trace,
            which takes one vector-Jacobian product a dimension.

    Returns:
        The field, shaped as x, and the traces, (n, p) or (n, 1).
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = field(t, x)
        if probes is None:
            flat = value.flatten(1)
            dimension = flat.shape[1]
            trace = torch.zeros_like(flat[:, 0])
            for i in range(dimension):
                (row,) = torch.autograd.grad(flat[:, i].sum(), x, retain_graph=i + 1 < dimension)
                trace = trace + row.flatten(1)[:, i]
            return value.detach(), trace[:, None].detach()
        traces = []
        for i, probe in enumerate(probes):
            (product,) = torch.autograd.grad(value, x, probe, retain_graph=i + 1 < len(probes))
            traces.append((product * probe).flatten(1).sum(dim=1))
    return value.detach(), torch.stack(traces, dim=1)


def log_mean_exp(each: Tensor) -> Tensor:
    """Log of the mean of exp along the first dimension: the K-draw bound of Burda et al. 2016, eq. 8."""
    return torch.logsumexp(each, dim=0) - math.log(len(each))


def mean_over_draws(draws: Sequence[LogDensity]) -> LogDensity:
    """Combine K dequantisation draws of the same points by log-mean-exp.

    Of noisy estimates with new probes each, log-mean-exp would take the noise for spread of the draws, and be biased
    upwards. So all draws have the same probes: log-mean-exp is taken probe by probe, then the mean over probes. What
    is left of the bias is from a probe's noise that differs from draw to draw: none where the Jacobian is constant.

    Where estimates are not told apart, the error is the draws' errors combined with the weights of the log-mean-exp.

    Args:
        draws: of the same points, by the same probes.
    """
    each = [density.each for density in draws if density.each is not None]
    if len(each) == len(draws):
        return LogDensity.of(log_mean_exp(torch.stack(each)))
    values = torch.stack([density.value for density in draws])
    errors = [density.error for density in draws if density.error is not None]
    if len(errors) < len(draws):
        return LogDensity(log_mean_exp(values))
    weights = torch.softmax(values, dim=0)
    return LogDensity(log_mean_exp(values), (weights * torch.stack(errors)).square().sum(dim=0).sqrt())


def bits_per_dim(log_prob: Tensor, dimension: int) -> Tensor:
    """-log p / (d ln 2), from nats a point."""
    return -log_prob / (dimension * math.log(2))
