"""Two-dimensional data whose density is known, so that a model's likelihood has a truth to be held against."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fmbench.data.base import Dataset, Density, Standardise

TRAIN, TEST = 100_000, 10_000
SEED = 20_231_105  # of the one draw that is the dataset


def dataset(name: str, density: Density) -> Dataset:
    """A fixed draw of TRAIN + TEST points, standardised by the training split's mean and overall deviation."""
    points = density.sample(TRAIN + TEST, torch.Generator().manual_seed(SEED))
    train, test = points[:TRAIN], points[TRAIN:]
    mean = train.mean(dim=0)
    scale = float((train - mean).square().mean().sqrt())
    return Dataset(name, train, test, Standardise(tuple(mean.tolist()), scale), density=density)


class Mixture(Density):
    """An equal mixture of isotropic Gaussians, far apart: each is a mode, within three standard deviations.

    Args:
        centres: (k, 2).
        std: their common standard deviation.
        entropy: in nats.
    """

    def __init__(self, centres: Tensor, std: float, entropy: float) -> None:
        self.centres, self.std, self.entropy = centres, std, entropy
        self.modes, self.mode_radius = centres, 3 * std

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        which = torch.randint(0, len(self.centres), (n,), generator=generator)
        return self.centres[which] + self.std * torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        squares = (x[:, None] - self.centres).square().sum(dim=-1)
        constant = math.log(len(self.centres)) + math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(-0.5 * squares / self.std**2, dim=1) - constant


class Gaussian(Density):
    """N(mean, covariance)."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean = mean
        self.factor: Tensor = torch.linalg.cholesky(covariance)
        self.entropy = float(torch.log(self.factor.diagonal()).sum()) + len(mean) / 2 * math.log(2 * math.pi * math.e)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        white = torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64)
        points: Tensor = self.mean + white @ self.factor.T
        return points

    def log_prob(self, x: Tensor) -> Tensor:
        white = torch.linalg.solve_triangular(self.factor, (x - self.mean).T, upper=False).T
        constant = torch.log(self.factor.diagonal()).sum() + len(self.mean) / 2 * math.log(2 * math.pi)
        log_p: Tensor = -0.5 * white.square().sum(dim=1) - constant
        return log_p


class Checkerboard(Density):
    """Uniform on the eight dark cells, of side 2, of a four by four board on [-4, 4]^2."""

    entropy = math.log(32)
    positive = False
    mode_radius = math.sqrt(2)  # from a cell's centre to its corners

    def __init__(self) -> None:
        self.modes = self._corner(torch.arange(8)) + 1

    @staticmethod
    def _corner(cell: Tensor) -> Tensor:
        """The lower left one of dark cells 0 to 7, (n,); (n, 2), float64."""
        row = cell // 2
        column = 2 * (cell % 2) + row % 2
        return torch.stack([column, row], dim=1).double() * 2 - 4

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        corner = self._corner(torch.randint(0, 8, (n,), generator=generator))
        return corner + 2 * torch.rand(n, 2, generator=generator, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        cells = torch.floor((x + 4) / 2)
        inside = ((cells >= 0) & (cells < 4)).all(dim=1) & (cells.sum(dim=1) % 2 == 0)
        return torch.full_like(x[:, 0], -self.entropy).masked_fill(~inside, -torch.inf)


class Moons(Density):
    """Two interleaved half circles of radius 1, blurred by a Gaussian.

    The arcs are (cos a, sin a) and (1 - cos a, 1/2 - sin a), a uniform on [0, pi]. The density integrates over a by
    Gauss-Legendre quadrature.

    Args:
        std: of the blur.
        entropy: in nats, for that blur.
    """

    NODES = 256

    def __init__(self, std: float, entropy: float) -> None:
        self.std, self.entropy = std, entropy
        nodes, weights = np.polynomial.legendre.leggauss(self.NODES)
        angles = torch.from_numpy((nodes + 1) * math.pi / 2)
        self._arcs = torch.cat([self._arc(angles, lower=False), self._arc(angles, lower=True)])
        self._log_weights = torch.from_numpy(np.log(weights / 4)).repeat(2)  # 1/2 for the interval, 1/2 an arc

    @staticmethod
    def _arc(angle: Tensor, *, lower: bool) -> Tensor:
        x, y = torch.cos(angle), torch.sin(angle)
        return torch.stack([1 - x, 0.5 - y] if lower else [x, y], dim=-1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        angles = math.pi * torch.rand(n, generator=generator, dtype=torch.float64)
        lower = torch.rand(n, 1, generator=generator) < 0.5
        points = torch.where(lower, self._arc(angles, lower=True), self._arc(angles, lower=False))
        return points + self.std * torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        parts = []
        for block in x.split(4096):  # bounds the memory of the (points x nodes) table
            squares = (block[:, None] - self._arcs).square().sum(dim=-1)
            parts.append(torch.logsumexp(self._log_weights - 0.5 * squares / self.std**2, dim=1))
        return torch.cat(parts) - math.log(2 * math.pi * self.std**2)


def eight_gaussians() -> Dataset:
    """Eight Gaussians of deviation .3 on a circle of radius 4."""
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    centres = 4 * torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)
    return dataset("8gaussians", Mixture(centres, 0.3, ENTROPY_8GAUSSIANS))


def checkerboard() -> Dataset:
    """The uniform density on a checkerboard's dark cells."""
    return dataset("checkerboard", Checkerboard())


def moons() -> Dataset:
    """Two blurred half circles."""
    return dataset("moons", Moons(0.1, ENTROPY_MOONS))


def gaussian_2d() -> Dataset:
    """A correlated Gaussian, off centre."""
    mean = torch.tensor([1.0, -0.5], dtype=torch.float64)
    covariance = torch.tensor([[2.0, 1.2], [1.2, 1.0]], dtype=torch.float64)
    return dataset("gaussian-2d", Gaussian(mean, covariance))


# -int p log p by the trapezoid rule on a fine grid (tests/data/test_planar.py repeats it).
ENTROPY_8GAUSSIANS = 2.509371988319
ENTROPY_MOONS = 1.007584834847
