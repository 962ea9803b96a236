"""FID: the Frechet distance between features of generated and of training images."""

from __future__ import annotations

import numpy as np
import torch

from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue, floors, on_features, over_sets
from fmbench.metrics.features import Features, FeatureSet, few, sufficient
from fmbench.metrics.frechet import Statistics, frechet_distance, statistics


class FID(Metric):
    """Against the training split, beside its floor: the distance of the held-out real images to the same reference.

    Args:
        features: name of the feature extractor.
    """

    def __init__(self, *, features: str) -> None:
        self.features = features

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """FID, its floor, and how many times the floor it is."""
        features = evaluation.features(self.features)
        fid = over_sets([self._value("fid", features(sample_set.raw), features) for sample_set in evaluation.samples])
        (floor,) = floors(["fid"], lambda: [self._value("fid-floor", features.test, features)])
        values = [fid, floor]
        if fid.value is not None and floor.value:
            error = None if fid.error is None else fid.error / floor.value
            details = {"floor_n": floor.n}
            ratio = MetricValue("fid-ratio", fid.value / floor.value, error, "", fid.family, fid.n, details)
            values.append(ratio)
        return values

    @staticmethod
    def _value(name: str, images: FeatureSet, features: Features) -> MetricValue:
        distance = frechet_distance(sufficient(images, features.extractor), features.reference)
        return on_features(name, distance, images.n, features, **few(images))


class FIDInfinity(Metric):
    """FID extrapolated to infinitely many samples (Chong and Forsyth 2020): a line through FID against 1/n.

    Only the generated side is extrapolated; the reference stays the training split.

    Args:
        features: name of the feature extractor.
        points: how many sizes n the line goes through, equally spaced from a tenth of the samples to all of them.
    """

    def __init__(self, *, features: str, points: int) -> None:
        self.features, self.points = features, points

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The intercept."""
        features = evaluation.features(self.features)
        each = []
        for index, sample_set in enumerate(evaluation.samples):
            images = features(sample_set.raw)
            sufficient(images, features.extractor)
            order = torch.randperm(len(images.rows), generator=torch.Generator().manual_seed(index))
            value = extrapolated(images.rows[order], features.reference, self.points)
            each.append(on_features("fid-inf", value, len(images.rows), features))
        return [over_sets(each)]


def extrapolated(rows: torch.Tensor, reference: Statistics, points: int) -> float:
    """The intercept at 1/n = 0 of a least-squares line through the distances of the first n rows."""
    least = max(len(rows) // 10, 2 * rows.shape[1])
    sizes = np.unique(np.linspace(least, len(rows), points).astype(int))
    if len(sizes) < 2:
        raise Unavailable(f"{len(rows)} samples are too few to extrapolate from: more than {least} are needed")
    distances = [frechet_distance(statistics(rows[: int(size)]), reference) for size in sizes]
    slope_and_intercept = np.polyfit(1 / sizes, distances, 1)
    return float(slope_and_intercept[1])
