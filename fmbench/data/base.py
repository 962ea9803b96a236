"""What a dataset is: raw data with its splits, and the transform between it and the space of the models."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 2**26  # numbers that are encoded together where all of the data are


class Transform(ABC):
    """Between raw data and the space in which models work."""

    bounds: ClassVar[tuple[float, float] | None] = None
    """The interval that holds every coordinate in model space, where there is one."""

    @abstractmethod
    def encode(self, raw: Tensor, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
        """Model-space points of raw data, shaped as `raw`. Integer levels are dequantised at random."""

    @abstractmethod
    def decode(self, x: Tensor) -> Tensor:
        """Raw data of model-space points."""

    @abstractmethod
    def log_jacobian(self, dimension: int) -> float:
        """Log |d x / d raw| of a whole point: what turns a log-density of x into one of the raw data (nats)."""


@dataclass(frozen=True)
class Levels(Transform):
    """Integer levels 0 .. L-1 onto [-1, 1): x = 2 (k + u) / L - 1, u uniform on [0, 1) (Uria et al. 2013).

    Decoding takes the level whose cell holds x, which rounds to the nearest cell centre.
    """

    levels: int
    bounds = (-1.0, 1.0)

    def encode(self, raw: Tensor, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
        u = torch.rand(raw.shape, generator=generator, device=raw.device, dtype=dtype)
        return (raw + u) * (2 / self.levels) - 1

    def centre(self, raw: Tensor) -> Tensor:
        """The middle of each level's cell, float64."""
        return (2 * raw.double() + 1) / self.levels - 1

    def decode(self, x: Tensor) -> Tensor:
        return torch.floor((x + 1) * (self.levels / 2)).clamp(0, self.levels - 1).to(torch.uint8)

    def log_jacobian(self, dimension: int) -> float:
        return dimension * math.log(2 / self.levels)


@dataclass(frozen=True)
class Standardise(Transform):
    """x = (raw - shift) / scale, the same scale for every coordinate."""

    shift: tuple[float, ...]
    scale: float

    def encode(self, raw: Tensor, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
        del generator
        return ((raw.double() - self._shift(raw)) / self.scale).to(dtype)

    def decode(self, x: Tensor) -> Tensor:
        return x * self.scale + self._shift(x)

    def log_jacobian(self, dimension: int) -> float:
        return -dimension * math.log(self.scale)

    def _shift(self, like: Tensor) -> Tensor:
        return torch.tensor(self.shift, dtype=torch.float64, device=like.device)


class Density(ABC):
    """A known density over raw data."""

    entropy: float
    """Differential entropy in nats."""

    positive: bool = True
    """Whether the density is positive everywhere."""

    modes: Tensor | None = None
    """(k, d): the centres of its k equally heavy modes, where it has such."""

    mode_radius: float = 0.0
    """How far from its centre a point may be and still belong to a mode."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n points, (n, d), float64."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats of points (n, d); shape (n,)."""


@dataclass(frozen=True)
class Dataset:
    """Raw data, resident in memory, and how to read it.

    Args:
        name: its name.
        train: (n, *shape): uint8 levels of images, or float64 coordinates.
        test: likewise; never trained on, scored whole.
        transform: to and from model space.
        train_labels: (n,), int64, or None.
        test_labels: likewise.
        density: the law the data was drawn from, where it is known.
        given: of pair data: makes of raw points, (n, *shape), what is given beside them, (n, channels, height, width),
            float32, about as large as points in model space.
        where: it lies, for people: a folder or a file; "" where it is made anew each time.
    """

    name: str
    train: Tensor
    test: Tensor
    transform: Transform
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    density: Density | None = None
    given: Callable[[Tensor], Tensor] | None = None
    where: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one point: (channels, height, width) or (d,)."""
        return tuple(self.train.shape[1:])

    @property
    def given_shape(self) -> tuple[int, ...]:
        """Shape of what is given beside one point; () where nothing is."""
        return () if self.given is None else tuple(self.given(self.train[:1]).shape[1:])

    @property
    def dimension(self) -> int:
        """Number of coordinates of a point."""
        return math.prod(self.shape)

    @property
    def discrete(self) -> bool:
        """Whether the raw data are integer levels, so that likelihoods are of levels and in bits/dim."""
        return not self.train.is_floating_point()

    def rms(self) -> float:
        """Root mean square of the training data in model space."""
        generator, mean = torch.Generator().manual_seed(0), torch.zeros((), dtype=torch.float64)
        for part in self.train.split(max(BLOCK // self.dimension, 1)):
            share = len(part) / len(self.train)
            mean += share * self.transform.encode(part, generator).square().mean()
        return float(mean.sqrt())

    def leaked(self) -> int:
        """How many held-out points are training points too."""
        known = {fingerprint(point) for point in self.train.flatten(1).numpy()}
        return sum(fingerprint(point) in known for point in self.test.flatten(1).numpy())

    def digest(self) -> str:
        """SHA-256 of the splits, so that a result can say which data it saw."""
        return sha256_of(self.train, self.test)

    def content(self) -> str:
        """SHA-256 of the splits and their labels.

        Coordinates count to float32: made-up ones may differ in the last bit of float64 from processor to processor.
        """
        parts = (self.train, self.test, self.train_labels, self.test_labels)
        return sha256_of(*(part.float() if part.is_floating_point() else part for part in parts if part is not None))


def sha256_of(*tensors: Tensor) -> str:
    """SHA-256 of the shapes, dtypes and bytes of tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def fingerprint(point: NDArray[Any]) -> bytes:
    """16 bytes that tell a point from others."""
    return hashlib.blake2b(np.ascontiguousarray(point).data, digest_size=16).digest()
