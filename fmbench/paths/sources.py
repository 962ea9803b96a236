"""Source laws: where x0 of a two-sided method comes from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError


class Source(ABC):
    """A law with unit root mean square from which x0 is drawn."""

    @abstractmethod
    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draw n points; (n, *shape), float64."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats; x (n, ...), result (n,)."""


class Gaussian(Source):
    """N(0, I)."""

    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Standard normal."""
        return torch.randn(n, *shape, generator=generator, device=generator.device, dtype=torch.float64)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the standard normal, in nats."""
        flat = x.flatten(1)
        return -0.5 * flat.square().sum(1) - 0.5 * flat.shape[1] * math.log(2 * math.pi)


class KnownDensity(Source):
    """A dataset's own density, in the coordinates of its transform, which should give it unit root mean square."""

    def __init__(self, dataset: Dataset) -> None:
        if dataset.density is None:
            raise FmbenchError(f"source = {dataset.name!r}: its density is not known")
        self.dataset, self.density = dataset, dataset.density

    def sample(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Fresh points of the density."""
        own = self.dataset.shape
        if shape != own:
            raise FmbenchError(f"source = {self.dataset.name!r}: its points have shape {own}, and the data {shape}")
        on_cpu = torch.Generator().manual_seed(
            int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        )
        points = self.density.sample(n, on_cpu)
        return self.dataset.transform.encode(points, on_cpu).to(generator.device)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in the transform's coordinates, in nats."""
        raw = self.dataset.transform.decode(x.cpu())
        offset = self.dataset.transform.log_jacobian(math.prod(self.dataset.shape))
        return (self.density.log_prob(raw) - offset).to(x.device)
