"""Memorisation: how near samples lie to training images, by the measure of held-out ones."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.metrics.base import Evaluation, Metric, MetricValue, over_sets

BLOCK = 256
CLOSE = 0.01  # share of held-out images that are as near to a training image as what is called copied


class Memorisation(Metric):
    """Euclidean distances between pixels, each image to the nearest of the training split.

    A sample of the data's own law is as far from the training images as a held-out one: ratio 1, and a hundredth
    "copied". A method that draws training images again has ratio 0.
    """

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The ratio of the median distances, and the share of samples nearer than all but 1 % of held-out images."""
        train = evaluation.dataset.train
        held_out = nearest(evaluation.dataset.test, train)
        near = float(held_out.quantile(CLOSE))
        ratios, copied = [], []
        for sample_set in evaluation.samples:
            distance, n = nearest(sample_set.raw, train), len(sample_set.raw)
            details = {"median": float(distance.median()), "held_out_median": float(held_out.median())}
            ratio = details["median"] / details["held_out_median"]
            ratios.append(MetricValue("nn-ratio", ratio, n=n, details=details))
            share = float((distance < near).double().mean())
            copied.append(MetricValue("copied", share, n=n, details={"distance": near, "held_out": CLOSE}))
        return [over_sets(ratios), over_sets(copied)]


def nearest(images: Tensor, train: Tensor) -> Tensor:
    """Distance of each raw image to the nearest training image, in levels; (n,), float64."""
    flat, parts = train.flatten(1), []
    for block, found in zip(images.flatten(1).split(BLOCK), nearest_places(images, train).split(BLOCK), strict=True):
        # Measured exactly, so that a copy has distance zero.
        parts.append((block.double() - flat[found].double()).square().sum(dim=1).sqrt())
    return torch.cat(parts)


def nearest_places(images: Tensor, train: Tensor) -> Tensor:
    """Which training image is nearest to each raw image; (n,). Found in float32, where large sums round."""
    reference = train.flatten(1).float()
    squares = reference.square().sum(dim=1)
    blocks = images.flatten(1).split(BLOCK)
    return torch.cat([(squares - 2 * block.float() @ reference.T).argmin(dim=1) for block in blocks])
