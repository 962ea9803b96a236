"""Whether samples lie where the density is, and in which of its modes."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from fmbench.data.base import Density
from fmbench.metrics import truth
from fmbench.metrics.base import Evaluation, Metric, MetricValue, over_sets

LEAST = 0.2  # of its fair share of the samples, for a mode to count as found


class Occupancy(Metric):
    """Generated points under the known density, in raw coordinates, beside those of a true sample of equal size."""

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """Each number of the density, and its floor."""
        density = truth.density_of(evaluation.dataset)
        each = [numbers(sample_set.raw, density) for sample_set in evaluation.samples]
        floors = numbers(truth.second(evaluation.dataset, evaluation.sampler.samples), density, "-floor")
        generated = [over_sets(sets) for sets in zip(*each, strict=True)]
        return [value for pair in zip(generated, floors, strict=True) for value in pair]


def numbers(x: Tensor, density: Density, suffix: str = "") -> list[MetricValue]:
    """What can be said of points x, (n, d), under a density; names end on the suffix.

    * ce-gap: E[-log p(x)] - H(p), in nats, where the density is positive everywhere; elsewhere one stray point would
      make it infinite, and off-support, the share of points where the density is zero, takes its place.
    * modes: the share of modes that have at least a fifth of their fair share n / k of the samples, nearest to them
      and within their radius.
    * mode-tv: half the sum of |share of samples nearest to a mode - 1 / k|, the total variation distance.
    * off-mode: the share of samples outside every mode's radius, where the density is positive everywhere.
    """
    log_p, n = density.log_prob(x), len(x)
    values = [_cross_entropy_gap(log_p, density) if density.positive else _share("off-support", log_p.isneginf())]
    if density.modes is not None:
        distance, nearest = torch.cdist(x, density.modes).min(dim=1)
        inside, k = distance <= density.mode_radius, len(density.modes)
        found = torch.bincount(nearest[inside], minlength=k) >= LEAST * n / k
        shares = torch.bincount(nearest, minlength=k).double() / n
        values.append(MetricValue("modes", float(found.double().mean()), n=n, details={"found": int(found.sum())}))
        tv = float((shares - 1 / k).abs().sum()) / 2
        values.append(MetricValue("mode-tv", tv, n=n, details={"shares": shares.tolist()}))
        if density.positive:
            values.append(_share("off-mode", ~inside))
    return [replace(value, name=value.name + suffix) for value in values]


def _cross_entropy_gap(log_p: Tensor, density: Density) -> MetricValue:
    error = float(log_p.std()) / math.sqrt(len(log_p))
    return MetricValue("ce-gap", float(-log_p.mean()) - density.entropy, error, "nats", n=len(log_p))


def _share(name: str, which: Tensor) -> MetricValue:
    """The share of points that are so, with its binomial standard error."""
    share = float(which.double().mean())
    return MetricValue(name, share, math.sqrt(share * (1 - share) / len(which)), n=len(which))
