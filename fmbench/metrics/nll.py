"""Negative log-likelihood of the whole test set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.likelihood import LikelihoodSettings, LogDensity, bits_per_dim, mean_over_draws
from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.solvers.nfe import counted


class NLL(Metric):
    """-E log p of raw data: bits/dim for integer levels (uniformly dequantised, K draws), nats for coordinates.

    Args:
        draws: K; the draws of a point are combined by log-mean-exp.
        probes: Rademacher probes of the trace above `exact_up_to` dimensions.
        exact_up_to: dimensions up to which the trace is exact.
        rtol: relative tolerance of dopri5.
        atol: absolute tolerance.
        batch_size: points solved together.
    """

    def __init__(self, *, draws: int, probes: int, exact_up_to: int, rtol: float, atol: float, batch_size: int) -> None:
        self.draws, self.batch_size = draws, batch_size
        self.settings = LikelihoodSettings(rtol=rtol, atol=atol, exact_up_to=exact_up_to, probes=probes)

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The NLL and, where the density is known, its gap to the truth on the same points."""
        dataset = evaluation.dataset
        parts: list[LogDensity] = []
        evaluation.watcher.stage("likelihood", len(dataset.test))
        with counted(evaluation.method) as count:
            for index, raw in enumerate(dataset.test.to(evaluation.device).split(self.batch_size)):
                parts.append(self._log_prob(raw, index, evaluation))
                evaluation.watcher.update(min(len(dataset.test), (index + 1) * self.batch_size))
        log_prob = torch.cat([part.value for part in parts])
        if len(log_prob) != len(dataset.test):
            raise AssertionError(f"scored {len(log_prob)} of {len(dataset.test)} test points")
        error = self._error(parts, dataset.dimension if dataset.discrete else None)
        details = {
            "calls": round(count.calls, 6),
            "vjps": round(count.vjps, 6),
            "nfe": round(count.rows / (len(log_prob) * self.draws), 6),
        }
        family = next(name for name in evaluation.method_spec.likelihoods if name != "vlb")
        each = bits_per_dim(log_prob, dataset.dimension) if dataset.discrete else -log_prob
        values = [MetricValue("nll", float(each.mean()), error, unit_of(dataset), family, len(each), details)]
        if dataset.density is not None:
            gap = dataset.density.log_prob(dataset.test) - log_prob.cpu()
            standard_error = float(gap.std()) / math.sqrt(len(gap))
            values.append(MetricValue("nll-gap", float(gap.mean()), standard_error, "nats", family, len(gap)))
        return values

    def _log_prob(self, raw: Tensor, index: int, evaluation: Evaluation) -> LogDensity:
        """Of raw data, in nats: the model's log-density of x plus log |dx / d raw|."""
        transform = evaluation.dataset.transform
        generator = evaluation.stream("likelihood", index)

        def draw() -> LogDensity:
            return evaluation.method.log_prob(transform.encode(raw, generator), self.settings, generator)

        density = mean_over_draws(draw, self.draws if evaluation.dataset.discrete else 1)
        return LogDensity(density.value + transform.log_jacobian(evaluation.dataset.dimension), density.error)

    @staticmethod
    def _error(parts: list[LogDensity], dimension: int | None) -> float | None:
        """Standard error of the mean from the random traces alone, in the unit of the value."""
        errors = [part.error for part in parts if part.error is not None]
        if not errors:
            return None
        each = torch.cat(errors)
        error = float(each.square().sum().sqrt()) / len(each)
        return error if dimension is None else error / (dimension * math.log(2))


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
        evaluation.watcher.stage("variational bound", len(dataset.test))
        for index, raw in enumerate(dataset.test.to(evaluation.device).split(self.batch_size)):
            generator = evaluation.stream("bound", index)
            parts.append(evaluation.method.bound(dataset.transform.encode(raw, generator), generator))
            evaluation.watcher.update(min(len(dataset.test), (index + 1) * self.batch_size))
        log_prob = dataset.transform.log_jacobian(dataset.dimension) - torch.cat(parts)
        each = bits_per_dim(log_prob, dataset.dimension) if dataset.discrete else -log_prob
        return [MetricValue("vlb", float(each.mean()), None, unit_of(dataset), "vlb", len(each))]


def unit_of(dataset: Dataset) -> str:
    """Of a likelihood: bits/dim of integer levels, nats of coordinates."""
    return "bits/dim" if dataset.discrete else "nats"
