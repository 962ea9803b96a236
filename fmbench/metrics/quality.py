"""Quality against cost: FID, or the transport distance of points, by network evaluations and by training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue, Samples
from fmbench.metrics.features import sufficient
from fmbench.metrics.frechet import frechet_distance
from fmbench.metrics.transport import wasserstein2

COSTS = (5, 10, 20, 50, 100)  # NFE a sample
CALLS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}  # a step
BLOCK = 2000  # points whose W2 is solved exactly at once
NEAR = 1.1  # within 10 % of the best


class SamplingCurve(Metric):
    """The quality of samples drawn by a fixed-step solver at 5, 10, 20, 50 and 100 NFE, beside the adaptive one's.

    Args:
        features: name of the feature extractor of images.
        solver: a key of CALLS; its steps are as many as the NFE allow.
    """

    def __init__(self, *, solver: str, features: str = "") -> None:
        self.features, self.solver = features, solver

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The NFE from which on the distance is within 10 % of the best of the curve and the adaptive point.

        Where 100 NFE are not, it is the adaptive solver's NFE if that one is.
        """
        name, distance = measure_of(evaluation, self.features)
        curve = []
        for cost in COSTS:
            samples = evaluation.draw(0, name=self.solver, steps=max(1, cost // CALLS[self.solver]))
            curve.append(point(distance(samples), nfe=mean(samples.nfe), seconds=samples.seconds))
        first = evaluation.sample_set(0)
        adaptive = point(distance(first), nfe=mean(first.nfe), seconds=first.seconds)
        best = min(entry["value"] for entry in [*curve, adaptive])
        details = {"measure": name, "solver": self.solver, "curve": curve, "adaptive": adaptive, "best": best}
        nfe = settled(curve, best, "nfe")
        if nfe is None:
            nfe = settled([adaptive], best, "nfe")
        reason = "" if nfe is not None else "neither 100 NFE nor the adaptive solver is within 10 % of the best"
        return [MetricValue("nfe-10pct", nfe, n=len(first.raw), family=self.features, details=details, reason=reason)]


class LearningCurve(Metric):
    """The quality of samples by the weights kept during training (`fmbench run --snapshots N`).

    Args:
        features: name of the feature extractor of images.
    """

    def __init__(self, *, features: str = "") -> None:
        self.features = features

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The steps from which on the distance is within 10 % of the best of the curve.

        Raises:
            Unavailable: no weights were kept.
        """
        if not evaluation.snapshots:
            raise Unavailable("no weights were kept during training: train with fmbench run --snapshots 8")
        name, distance = measure_of(evaluation, self.features)
        curve = []
        for snapshot in evaluation.snapshots:
            samples = evaluation.draw(0, method=snapshot.load())
            cost = {"step": snapshot.step, "seconds": snapshot.seconds, "nfe": mean(samples.nfe)}
            curve.append(point(distance(samples), **cost))
        best = min(entry["value"] for entry in curve)
        steps = settled(curve, best, "step")
        details = {"measure": name, "curve": curve, "best": best}
        reason = "" if steps is not None else "the last weights are not within 10 % of the best"
        n = len(samples.raw)
        return [MetricValue("steps-10pct", steps, n=n, family=self.features, details=details, reason=reason)]


def measure_of(evaluation: Evaluation, extractor: str) -> tuple[str, Callable[[Samples], float]]:
    """The distance of samples to the data: FID of images, W2 of points to held-out ones; its name and the function."""
    if evaluation.dataset_spec.of_images:
        features = evaluation.features(extractor)

        def fid(samples: Samples) -> float:
            return frechet_distance(sufficient(features.compute(samples.raw), features.extractor), features.reference)

        return "fid", fid
    held_out = evaluation.dataset.test
    size = min(BLOCK, evaluation.sampler.samples, len(held_out))

    def w2(samples: Samples) -> float:
        pairs = zip(samples.raw.split(size), held_out.split(size), strict=False)  # sets may differ in size
        return mean([wasserstein2(x, y) for x, y in pairs if len(x) == len(y)])

    return "w2", w2


def settled(curve: Sequence[dict[str, Any]], best: float, cost: str) -> float | None:
    """The least cost from which on all values of a curve are within 10 % of the best; None where the last is not."""
    near = [entry[cost] for entry in takewhile(lambda entry: entry["value"] <= NEAR * best, reversed(curve))]
    return float(near[-1]) if near else None


def point(value: float, **cost: float) -> dict[str, Any]:
    """A point of a curve: what it costs and how near it comes."""
    return {**{key: round(number, 3) for key, number in cost.items()}, "value": value}


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return sum(values) / len(values)
