"""Precision, recall, density and coverage: which images lie among those of the other set, by nearest neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue, floors, on_features, over_sets
from fmbench.metrics.features import Features
from fmbench.registry.specs import FLOOR

NAMES = ("precision", "recall", "density", "coverage")
BLOCK = 1000  # rows of a distance matrix held at once
ROUNDING = 1e-6  # by the size of the features: a distance of equal ones


class PRDC(Metric):
    """Kynkaanniemi et al. 2019, eq. 1 and 2 (precision, recall); Naeem et al. 2020, eq. 3 and 4 (density, coverage).

    The neighbourhood of an image reaches to its k-th nearest neighbour in its own set. Up to 10 000 images a side.

    Args:
        features: name of the feature extractor.
        neighbours: k.
    """

    def __init__(self, *, features: str, neighbours: int) -> None:
        self.features, self.neighbours = features, neighbours

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The four shares (density may exceed one), and those of the held-out images."""
        features = evaluation.features(self.features)
        sets = [self._values(features(sample_set.raw).rows, "", features) for sample_set in evaluation.samples]
        values = [over_sets(each) for each in zip(*sets, strict=True)]
        return values + floors(NAMES, lambda: self._values(features.test.rows, FLOOR, features))

    def _values(self, rows: Tensor, suffix: str, features: Features) -> list[MetricValue]:
        numbers = prdc(features.train.rows.double(), rows.double(), self.neighbours)
        named = zip(NAMES, numbers, strict=True)
        return [on_features(name + suffix, number, len(rows), features) for name, number in named]


def prdc(real: Tensor, generated: Tensor, neighbours: int) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage of generated (m, d) against real features (n, d).

    Raises:
        Unavailable: a set has no more than k members, or most real ones have k copies, hence no neighbourhoods.
    """
    if min(len(real), len(generated)) <= neighbours:
        raise Unavailable(f"{min(len(real), len(generated))} images are too few for {neighbours} neighbours")
    real_radius, generated_radius = radius(real, neighbours), radius(generated, neighbours)
    if float(real_radius.median()) <= ROUNDING * float(real.square().sum(dim=1).mean().sqrt()):
        raise Unavailable(f"most real images are the same as {neighbours} others: they have no neighbourhoods")
    inside = torch.zeros(len(generated), dtype=torch.long)
    recalled = covered = 0
    for block, reach in zip(real.split(BLOCK), real_radius.split(BLOCK), strict=True):
        distance = torch.cdist(block, generated)
        inside += (distance < reach[:, None]).sum(dim=0)
        recalled += int((distance < generated_radius).any(dim=1).sum())
        covered += int((distance.amin(dim=1) < reach).sum())
    precision = float((inside > 0).double().mean())
    density = float(inside.double().mean()) / neighbours
    return precision, recalled / len(real), density, covered / len(real)


def radius(x: Tensor, neighbours: int) -> Tensor:
    """Distance of each point to its k-th nearest other; (n,)."""
    parts = [torch.cdist(block, x).kthvalue(neighbours + 1, dim=1).values for block in x.split(BLOCK)]
    return torch.cat(parts)  # the nearest of all is the point itself
