"""The Frechet distance between Gaussians, from streaming statistics, in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """The mean and covariance of a set of feature vectors, float64.

    Args:
        mean: (d,).
        covariance: (d, d), unbiased.
        n: how many vectors.
        factor: (n, d) with factor^T factor = covariance, kept while n < d: the covariance is singular then, and its
            root is known already.
    """

    mean: Tensor
    covariance: Tensor
    n: int
    factor: Tensor | None = None


class Accumulator:
    """Mean and covariance of features that come in blocks: constant memory, and parts of several machines add up.

    Blocks are merged by their means and centred second moments (Chan et al. 1979, eq. 2.1), in float64, so that a mean
    far from zero costs no digits.
    """

    def __init__(self) -> None:
        self.n = 0
        self._mean: Tensor | None = None
        self._scatter: Tensor | None = None
        self._blocks: list[Tensor] = []  # all of them, while they are fewer rows than dimensions

    def add(self, features: Tensor) -> None:
        """Take in a block (n, d).

        Raises:
            ValueError: it is not (n, d), or holds values that are not finite.
        """
        if features.ndim != 2:
            raise ValueError(f"features must be (n, d), not {tuple(features.shape)}")
        if not torch.isfinite(features).all():
            raise ValueError("features hold values that are not finite")
        if len(features):
            block = features.double()
            mean = block.mean(dim=0)
            centred = block - mean
            self._merge(len(block), mean, centred.T @ centred, [block])

    def merge(self, other: Accumulator) -> None:
        """Take in what another one has taken in."""
        if other._mean is not None and other._scatter is not None:
            self._merge(other.n, other._mean, other._scatter, other._blocks)

    def _merge(self, n: int, mean: Tensor, scatter: Tensor, blocks: list[Tensor]) -> None:
        complete = sum(map(len, blocks)) == n  # else the other's rows are gone already
        if self._mean is None or self._scatter is None:
            self.n, self._mean, self._scatter, self._blocks = n, mean, scatter, list(blocks)
        else:
            total, gap = self.n + n, mean - self._mean
            complete = complete and sum(map(len, self._blocks)) == self.n
            self._scatter = self._scatter + scatter + torch.outer(gap, gap) * (self.n * n / total)
            self._mean = self._mean + gap * (n / total)
            self._blocks = self._blocks + blocks
            self.n = total
        if not complete or self.n >= len(mean):
            self._blocks = []

    def result(self) -> Statistics:
        """The statistics of everything so far.

        Raises:
            ValueError: fewer than two vectors.
        """
        if self._mean is None or self._scatter is None or self.n < 2:
            raise ValueError(f"features must be (n, d) with n >= 2, not n = {self.n}")
        factor = (torch.cat(self._blocks) - self._mean) / (self.n - 1) ** 0.5 if self._blocks else None
        return Statistics(self._mean, self._scatter / (self.n - 1), self.n, factor)


def statistics(*blocks: Tensor) -> Statistics:
    """Gather the statistics of features (n, d), in one block or several.

    Raises:
        ValueError: fewer than two rows in all, or values that are not finite.
    """
    return accumulated(blocks).result()


def accumulated(blocks: Iterable[Tensor]) -> Accumulator:
    """The blocks, taken in one by one."""
    accumulator = Accumulator()
    for block in blocks:
        accumulator.add(block)
    return accumulator


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)): Dowson and Landau 1982; Heusel et al. 2017, eq. 6."""
    gap = (a.mean - b.mean).square().sum()
    distance = gap + a.covariance.trace() + b.covariance.trace() - 2 * trace_of_root(a, b)
    return max(float(distance), 0.0)  # rounding leaves about -1e-12 between equal Gaussians


def trace_of_root(a: Statistics, b: Statistics) -> Tensor:
    """tr (A B)^(1/2), without a matrix that is not symmetric: it cannot turn complex, nor fail on singular ones.

    The sum of the square roots of the eigenvalues of R B R^T for any R with R^T R = A; R has as few rows as there were
    feature vectors. Where both have few, the sum of the singular values of R S^T, S^T S = B.
    """
    if a.factor is not None and b.factor is not None:
        nuclear: Tensor = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
        return nuclear
    few, many = (b, a) if b.factor is not None else (a, b)
    rows = root(few)
    inner = rows @ many.covariance @ rows.T
    trace: Tensor = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt().sum()
    return trace


def root(a: Statistics) -> Tensor:
    """A matrix R with R^T R = the covariance: kept features, a Cholesky factor, or that of a singular spectrum."""
    if a.factor is not None:
        return a.factor
    lower, failed = torch.linalg.cholesky_ex(a.covariance)
    if not failed:
        upper: Tensor = lower.T
        return upper
    values, vectors = torch.linalg.eigh(a.covariance)
    rows: Tensor = (vectors * values.clamp(min=0).sqrt()).T
    return rows
