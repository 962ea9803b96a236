"""The Frechet distance between Gaussians, from streaming statistics, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """Mean (d,), covariance (d, d) and number of feature vectors, float64."""

    mean: Tensor
    covariance: Tensor
    n: int


def statistics(features: Tensor) -> Statistics:
    """Of features (n, d).

    Raises:
        ValueError: fewer than two rows, or values that are not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must be (n, d) with n >= 2, not {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise ValueError("features hold values that are not finite")
    features = features.double()
    mean = features.mean(dim=0)
    centred = features - mean
    return Statistics(mean, centred.T @ centred / (len(features) - 1), len(features))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)): Dowson and Landau 1982; Heusel et al. 2017, eq. 6.

    tr (A B)^(1/2) is the sum of the square roots of the eigenvalues of H^T B H, H = V sqrt(L) from A = V L V^T:
    only symmetric eigenproblems, so it cannot turn complex, and a singular covariance is no special case.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    half = vectors * values.clamp(min=0).sqrt()
    inner = half.T @ b.covariance @ half
    roots = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt()
    gap = (a.mean - b.mean).square().sum()
    distance = gap + a.covariance.trace() + b.covariance.trace() - 2 * roots.sum()
    return max(float(distance), 0.0)  # rounding leaves about -1e-12 between equal Gaussians
