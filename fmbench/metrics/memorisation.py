"""Memorisation: how near samples lie to training images, by the measure of held-out ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fmbench.metrics.base import Evaluation, Metric, MetricValue, over_sets

BLOCK = 256
CLOSE = 0.01  # share of held-out images that are as near to a training image as what is called copied


class Memorisation(Metric):
    """Euclidean distances between pixels, each image to the nearest of the training split.

    A sample of the data's own law is as far from the training images as a held-out one: ratio 1, and a hundredth
    "copied". A method that draws training images again has ratio 0. Where held-out images are training images too,
    they are no measure: the ratio is unavailable if that is half of them, the share of copies if it is a hundredth.
    """

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The ratio of the median distances, and the share of samples nearer than all but 1 % of held-out images."""
        train = evaluation.dataset.train
        held_out = nearest(evaluation.dataset.test, train)
        near, typical = float(held_out.quantile(CLOSE)), median(held_out)
        ratios, copied = [], []
        for sample_set in evaluation.samples:
            distance, n = nearest(sample_set.raw, train), len(sample_set.raw)
            middle = median(distance)
            medians = {"median": middle, "held_out_median": typical, **evaluation.leak}
            ratios.append(MetricValue("nn-ratio", middle / typical if typical else None, n=n, details=medians))
            share = float((distance < near).double().mean()) if near else None
            seen = {"distance": near, "held_out": CLOSE, **evaluation.leak}
            copied.append(MetricValue("copied", share, n=n, details=seen))
        same = int((held_out == 0).sum())
        reason = f"{same} of {len(held_out)} held-out images are training images too: their distance, 0, is no measure"
        numbers = [over_sets(ratios), over_sets(copied)]
        return [number if number.value is not None else replace(number, reason=reason) for number in numbers]


def median(distances: Tensor) -> float:
    """The middle one, or the mean of the two in the middle."""
    return float(distances.quantile(0.5))


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
