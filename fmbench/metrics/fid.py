"""FID: the Frechet distance between features of generated and of training images."""

from __future__ import annotations

from torch import Tensor

from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.metrics.extractors import Extractor, load_extractor
from fmbench.metrics.frechet import Statistics, frechet_distance, statistics


class FID(Metric):
    """Against the training split, beside its floor: the distance of the held-out real images to the same reference.

    Args:
        features: a feature extractor, or "dataset" for the one the dataset names.
    """

    def __init__(self, *, features: str) -> None:
        self.features = features

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """FID and its floor."""
        dataset = evaluation.dataset
        name = evaluation.dataset_spec.features if self.features == "dataset" else self.features
        extractor = load_extractor(name, evaluation.device)
        reference = extractor.reference(dataset) or of_images(extractor, dataset.train)
        generated = of_images(extractor, dataset.transform.decode(evaluation.samples.x))
        held_out = of_images(extractor, dataset.test)
        details = {"features_sha256": extractor.sha256, "reference": "train", "reference_n": reference.n}

        def value(label: str, other: Statistics) -> MetricValue:
            distance = frechet_distance(other, reference)
            return MetricValue(label, distance, family=extractor.name, n=other.n, details=details)

        return [value("fid", generated), value("fid-floor", held_out)]


def of_images(extractor: Extractor, images: Tensor) -> Statistics:
    """Statistics of the features of raw images (n, channels, height, width), uint8."""
    return statistics(extractor(images))
