"""Negative log-likelihood of the test set, or of its first points."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.errors import ContractError, Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.metrics.nfe import if_counted
from fmbench.registry.specs import IMPOSSIBLE
from fmbench.solvers.likelihood import LikelihoodSettings, LogDensity, bits_per_dim, mean_over_draws
from fmbench.solvers.nfe import Count, counted
from fmbench.solvers.ode import ADAPTIVE

IMPOSSIBLE_BELOW = -3  # standard errors of the gap to the truth
TIGHTER = 0.1  # tolerances of the check, by those of the number
HALVING = 1e-3  # bits/dim that halving a fixed step may move an NLL by: coarse steps report better than the truth


class NLL(Metric):
    """-E log p of raw data: bits/dim for integer levels (uniformly dequantised, K draws), nats for coordinates.

    Args:
        draws: K; the draws of a point are combined by log-mean-exp.
        probes: Rademacher probes of the trace above `exact_up_to` dimensions; the same for every method.
        exact_up_to: dimensions up to which the trace is exact.
        solver: "dopri5" or "bosh3", or a fixed-step solver, which is checked by halving its step.
        steps: of a fixed-step solver.
        rtol: relative tolerance of an adaptive solver.
        atol: its absolute tolerance.
        batch_size: points solved together.
        checked: points solved again at a tenth of the tolerances, for the error of the solver.
        points: the first of the test set that are scored; 0 for all of them.
    """

    def __init__(
        self,
        *,
        draws: int,
        probes: int,
        exact_up_to: int,
        solver: str,
        steps: int,
        rtol: float,
        atol: float,
        batch_size: int,
        checked: int,
        points: int = 0,
    ) -> None:
        self.draws, self.batch_size, self.checked, self.points = draws, batch_size, checked, points
        self.settings = LikelihoodSettings(
            solver=solver, steps=steps, rtol=rtol, atol=atol, exact_up_to=exact_up_to, probes=probes
        )

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The NLL, what it cost and, where the density is known, its gap to the truth on the same points."""
        dataset = evaluation.dataset
        family = next(name for name in evaluation.method_spec.likelihoods if name != "vlb")
        n = min(self.points or len(dataset.test), len(dataset.test))
        with counted(evaluation.method) as count:
            density = self._density(evaluation, n, self.settings, self.batch_size)
        log_prob = density.value
        each = in_units(log_prob, dataset)
        details = self._work(count, len(each) * self._draws(dataset)) | evaluation.leak
        if family == "pf-ode":
            details |= self._solver_error(evaluation, each)
        calls = MetricValue("nfe-nll", details["nfe"], n=len(each), details={"vjps": details["vjps_a_point"]})
        calls = if_counted(calls, evaluation.method)
        error = None
        if density.error is not None:
            nats = density.error.double().square().sum().sqrt() / len(each)
            error = float(in_units(-nats, dataset))  # whose sign is that of -log p
        values = [MetricValue("nll", float(each.mean()), error, unit_of(dataset), family, len(each), details), calls]
        if dataset.density is not None:
            gap = dataset.density.log_prob(dataset.test[:n]) - log_prob.cpu()
            standard_error = float(gap.std()) / math.sqrt(len(gap))
            values.append(MetricValue("nll-gap", float(gap.mean()), standard_error, "nats", family, len(gap)))
            # The mean of the gap is a divergence, which is never negative. A cut series is marked as that.
            if float(gap.mean()) < IMPOSSIBLE_BELOW * standard_error and family != "truncated":
                values = [replace(value, family=IMPOSSIBLE) for value in values]
        return values

    def _density(self, evaluation: Evaluation, n: int, settings: LikelihoodSettings, batch_size: int) -> LogDensity:
        """Measure the first n test points, in nats: the model's log-density of x plus log |dx / d raw|."""
        dataset, parts = evaluation.dataset, []
        evaluation.progress.stage("likelihood", n)
        for index, raw in enumerate(dataset.test[:n].to(evaluation.device).split(batch_size)):
            parts.append(self._log_prob(raw, index, evaluation, settings))
            evaluation.progress.update(min(n, (index + 1) * batch_size))
        errors = [part.error for part in parts if part.error is not None]
        return LogDensity(torch.cat([part.value for part in parts]), torch.cat(errors) if errors else None)

    def _log_prob(self, raw: Tensor, index: int, evaluation: Evaluation, settings: LikelihoodSettings) -> LogDensity:
        """The draws of some points: each has its own dequantisation, and all have the same probes."""
        dataset, generator = evaluation.dataset, evaluation.stream("likelihood", index)
        further = [evaluation.stream("likelihood", index, "draw", k) for k in range(1, self._draws(dataset))]
        points = [dataset.transform.encode(raw, noise) for noise in (generator, *further)]
        probes, draws = generator.get_state(), []
        for x in points:
            generator.set_state(probes)
            draws.append(evaluation.method.log_prob(x, settings, generator))
            check_density(draws[-1], len(raw), evaluation.method_spec.name)
        density = mean_over_draws(draws)
        return LogDensity(density.value + dataset.transform.log_jacobian(dataset.dimension), density.error)

    def _draws(self, dataset: Dataset) -> int:
        """K of levels; coordinates are not dequantised, so that further draws would repeat the first."""
        return self.draws if dataset.discrete else 1

    @staticmethod
    def _work(count: Count, n: int) -> dict[str, Any]:
        """What the solves of n points cost, each draw a point."""
        return {
            "calls": round(count.calls, 6),
            "vjps": round(count.vjps, 6),
            "nfe": round(count.rows / n, 6),
            "vjps_a_point": round(count.vjps / max(count.calls, 1) * count.rows / n, 6),
            "steps_accepted": count.accepted,
            "steps_rejected": count.rejected,
        }

    def _solver_error(self, evaluation: Evaluation, each: Tensor) -> dict[str, Any]:
        """How far finer steps move the NLL: adaptive ones on a few points and the same probes, fixed steps on all.

        Raises:
            Unavailable: halving a fixed step moves it by HALVING bits/dim or more.
        """
        settings, dataset = self.settings, evaluation.dataset
        if settings.solver in ADAPTIVE:
            n = min(self.checked, len(each))
            finer = replace(settings, rtol=TIGHTER * settings.rtol, atol=TIGHTER * settings.atol)
            # Together in one batch both times: the steps of a batch are shared.
            coarse, fine = (
                in_units(self._density(evaluation, n, solver, n).value, dataset) for solver in (settings, finer)
            )
        else:
            n, finer = len(each), replace(settings, steps=2 * settings.steps)
            coarse, fine = each, in_units(self._density(evaluation, n, finer, self.batch_size).value, dataset)
        moved = coarse - fine
        error = float(moved.mean())
        limit = HALVING * (1 if dataset.discrete else dataset.dimension * math.log(2))
        if settings.solver not in ADAPTIVE and not abs(error) < limit:
            raise Unavailable(
                f"{settings.steps} steps of {settings.solver} are too coarse: halving the step moves the NLL by "
                f"{-error:.2g} {unit_of(dataset)}; raise nll.steps or take nll.solver=dopri5"
            )
        return {"solver_error": error, "solver_error_max": float(moved.abs().max()), "solver_error_n": n}


class VariationalBound(Metric):
    """An upper bound on the NLL by the method's own chain, in the NLL's unit: never to be ranked with it.

    Args:
        batch_size: points bounded together.
    """

    def __init__(self, *, batch_size: int) -> None:
        self.batch_size = batch_size

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The bound over the whole test set, one dequantisation draw a point."""
        dataset, parts = evaluation.dataset, []
        evaluation.progress.stage("variational bound", len(dataset.test))
        for index, raw in enumerate(dataset.test.to(evaluation.device).split(self.batch_size)):
            generator = evaluation.stream("bound", index)
            parts.append(evaluation.method.bound(dataset.transform.encode(raw, generator), generator))
            evaluation.progress.update(min(len(dataset.test), (index + 1) * self.batch_size))
        each = in_units(dataset.transform.log_jacobian(dataset.dimension) - torch.cat(parts), dataset)
        return [MetricValue("vlb", float(each.mean()), None, unit_of(dataset), "vlb", len(each))]


def check_density(found: Any, n: int, method: str) -> None:
    """Whether a method gave the log-densities that it was asked for.

    Raises:
        ContractError: it gave something else.
    """
    if not isinstance(found, LogDensity) or found.value.shape != (n,):
        what = f"values of shape {tuple(found.value.shape)}" if isinstance(found, LogDensity) else type(found).__name__
        raise ContractError(f"method {method!r}: log_prob of {n} points gave {what}, not a LogDensity of shape ({n},)")


def in_units(log_prob: Tensor, dataset: Dataset) -> Tensor:
    """-log p of each point, from nats: bits/dim of integer levels, nats of coordinates."""
    return bits_per_dim(log_prob, dataset.dimension) if dataset.discrete else -log_prob


def unit_of(dataset: Dataset) -> str:
    """The unit of a likelihood: bits/dim of integer levels, nats of coordinates."""
    return "bits/dim" if dataset.discrete else "nats"
