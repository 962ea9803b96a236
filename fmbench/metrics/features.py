"""The features of generated, training and held-out images, each computed once and shared by the metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import Extractor, load_extractor
from fmbench.metrics.frechet import Accumulator, Statistics
from fmbench.metrics.seals import Seals
from fmbench.registry.specs import ExtractorSpec

KEPT = 10_000  # vectors kept for the metrics that compare points; statistics are over all of them
LEAST, ENOUGH = 2, 10  # samples a dimension: fewer than the first is refused, than the second warned of


@dataclass(frozen=True)
class FeatureSet:
    """The features of a set of images.

    Args:
        statistics: of all of them; None of fewer than two images.
        rows: (min(n, KEPT), d), the first ones, float32, on the CPU.
        n: how many images.
    """

    statistics: Statistics | None
    rows: Tensor
    n: int


@dataclass(frozen=True)
class Features:
    """What an extractor makes of a dataset and of samples."""

    extractor: Extractor
    dataset: Dataset
    seals: Seals = field(default_factory=Seals)
    _sets: dict[int, tuple[Tensor, FeatureSet]] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: ExtractorSpec, dataset: Dataset, device: torch.device, seals: Seals) -> Features:
        """With the extractor of a spec.

        Raises:
            FmbenchError: its weights are not what they should be.
            Unavailable: its weights are not here.
        """
        return cls(load_extractor(spec, device), dataset, seals)

    def __call__(self, images: Tensor) -> FeatureSet:
        """Compute the features of raw images (n, channels, height, width); those of the same tensor are computed once.

        Raises:
            Unavailable: a feature is not finite.
            FmbenchError: the images are not what the extractor takes.
        """
        known = self._sets.get(id(images))  # the tensor is kept beside, so that its id stays its own
        if known is None:
            known = self._sets[id(images)] = images, self.compute(images)
            self.seals.add("the features", known[1].rows)
        return known[1]

    @cached_property
    def train(self) -> FeatureSet:
        """The features of the training split."""
        return self(self.dataset.train)

    @cached_property
    def test(self) -> FeatureSet:
        """The features of the held-out images."""
        return self(self.dataset.test)

    @cached_property
    def reference(self) -> Statistics:
        """The statistics of the training split: those shipped with the weights, where they are of this very data."""
        return self.extractor.reference(self.dataset) or sufficient(self.train, self.extractor)

    @property
    def details(self) -> dict[str, object]:
        """What travels beside a number."""
        return {"features_sha256": self.extractor.sha256, "reference": "train", "reference_n": len(self.dataset.train)}

    def compute(self, images: Tensor) -> FeatureSet:
        """As the call, and nothing is kept: for images that one metric alone looks at."""
        accumulator, kept = Accumulator(), 0
        rows = []
        for block in self.extractor.blocks(self.seen(images)):
            try:
                accumulator.add(block)
            except ValueError as error:
                raise Unavailable(f"{self.extractor.name}: {error}") from error
            if kept < KEPT:
                rows.append(block[: KEPT - kept])
                kept += len(rows[-1])
        whole = accumulator.result() if accumulator.n > 1 else None
        return FeatureSet(whole, torch.cat(rows), accumulator.n)

    def seen(self, images: Tensor) -> Tensor:
        """Raw images on the extractor's levels: black stays black and white white, of 17 levels as of 256.

        Raises:
            FmbenchError: they have more levels than it takes.
        """
        taken = self.extractor.levels
        own = int(getattr(self.dataset.transform, "levels", taken))  # a transform of levels says how many
        if own > taken:
            raise FmbenchError(
                f"features {self.extractor.name} take images of {taken} levels, and {self.dataset.name} has {own}"
            )
        if own == taken:
            return images
        return (images.float() * ((taken - 1) / max(own - 1, 1))).round_().to(torch.uint8)


def sufficient(features: FeatureSet, extractor: Extractor) -> Statistics:
    """The statistics, if there are enough images for their covariance to mean anything.

    Raises:
        Unavailable: n < 2 d.
    """
    dimension = features.rows.shape[1]
    if features.statistics is None or features.n < LEAST * dimension:
        raise Unavailable(
            f"{features.n} images are too few for {extractor.name}'s {dimension} dimensions: "
            f"at least {LEAST * dimension} are needed (sampler.samples)"
        )
    return features.statistics


def few(features: FeatureSet) -> dict[str, Any]:
    """A warning for the details, where n < 10 d: the distance is biased upwards."""
    dimension = features.rows.shape[1]
    return {} if features.n >= ENOUGH * dimension else {"warning": f"n < {ENOUGH} d = {ENOUGH * dimension}"}
