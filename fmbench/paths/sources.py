"""Source laws: where x0 of a two-sided method comes from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from fmbench.data import planar
from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError


class Source(ABC):
    """A law with unit root mean square from which x0 is drawn."""

    @abstractmethod
    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """N points; (n, *shape), float64."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats; x (n, ...), result (n,)."""


class Gaussian(Source):
    """N(0, I)."""

    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Standard normal."""
        return torch.randn(n, *shape, generator=generator, device=generator.device, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        """Of the standard normal."""
        flat = x.flatten(1)
        return -0.5 * flat.square().sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)


class Planar(Source):
    """A two-dimensional dataset's own density, standardised as that dataset is."""

    def __init__(self, dataset: Dataset) -> None:
        if dataset.density is None:
            raise FmbenchError(f"source = {dataset.name!r}: its density is not known")
        self.dataset, self.density = dataset, dataset.density

    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Fresh points of the density."""
        if shape != (2,):
            raise FmbenchError(f"source = {self.dataset.name!r}: points in the plane, and the data have shape {shape}")
        on_cpu = torch.Generator().manual_seed(
            int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        )
        points = self.density.sample(n, on_cpu)
        return self.dataset.transform.encode(points, on_cpu).to(generator.device)

    def log_prob(self, x: Tensor) -> Tensor:
        """Of the density, in the standardised coordinates."""
        raw = self.dataset.transform.decode(x.flatten(1).cpu())
        return (self.density.log_prob(raw) - self.dataset.transform.log_jacobian(2)).to(x.device)


NAMES = ("normal", "8gaussians", "checkerboard", "moons", "gaussian-2d")


def named(name: str) -> Source:
    """A source by one of NAMES."""
    functions = {
        "8gaussians": planar.eight_gaussians,
        "checkerboard": planar.checkerboard,
        "moons": planar.moons,
        "gaussian-2d": planar.gaussian_2d,
    }
    return Planar(functions[name]()) if name in functions else Gaussian()
