"""KID: the squared maximum mean discrepancy between features of generated and of training images."""

from __future__ import annotations

from torch import Tensor

from fmbench.errors import Unavailable
from fmbench.metrics.base import Evaluation, Metric, MetricValue, floors, mean_and_error, on_features, over_sets
from fmbench.metrics.features import Features
from fmbench.metrics.ustatistics import mmd2

BLOCKS = 10  # disjoint parts of both sets, for the standard error


class KID(Metric):
    """Binkowski et al. 2018, eq. 4: k(x, y) = (x^T y / d + 1)^3, over all pairs of up to 10 000 images a side.

    Unbiased, so it may be negative between equal laws: it is never clipped.

    Args:
        features: name of the feature extractor.
    """

    def __init__(self, *, features: str) -> None:
        self.features = features

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """KID, and that of the held-out images."""
        features = evaluation.features(self.features)
        kid = over_sets(
            [self._value("kid", features(sample_set.raw).rows, features) for sample_set in evaluation.samples]
        )
        return [kid, *floors(["kid"], lambda: [self._value("kid-floor", features.test.rows, features)])]

    @staticmethod
    def _value(name: str, rows: Tensor, features: Features) -> MetricValue:
        x, y = rows.double(), features.train.rows.double()
        if min(len(x), len(y)) < 2 * BLOCKS:
            raise Unavailable(f"{min(len(x), len(y))} images are too few: at least {2 * BLOCKS} are needed")
        parts = [kernel_distance(x[i::BLOCKS], y[i::BLOCKS]) for i in range(BLOCKS)]
        _, error = mean_and_error(parts)
        details = {"block_error": error, "blocks": BLOCKS}
        return on_features(name, kernel_distance(x, y), len(x), features, error, **details)


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """The U-statistic of MMD^2 under the cubic kernel; x (n, d), y (m, d), float64."""
    dimension = x.shape[1]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / dimension + 1) ** 3

    return mmd2(kernel, x, y)
