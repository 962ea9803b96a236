"""Feature extractors by name: frozen networks from raw images to feature vectors, each with its digest."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError, unknown
from fmbench.metrics.frechet import Statistics

EXTRACTORS = {
    "digits-v1": "fmbench.metrics.extractors.embedded:digits_v1",
    "inception": "fmbench.metrics.extractors.inception:inception",
}


class Extractor(ABC):
    """uint8 images (n, channels, height, width) -> float32 features (n, dimension).

    Args:
        name: with its version; two extractors never share a column.
        sha256: of the weights.
        shape: (channels, height, width) that it accepts; None: any.
        levels: how many grey levels the images have.
        device: where to compute.
    """

    batch_size = 256

    def __init__(
        self, name: str, sha256: str, shape: tuple[int, ...] | None, levels: int, device: torch.device
    ) -> None:
        self.name, self.sha256, self.shape, self.levels, self.device = name, sha256, shape, levels, device

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features of one batch, checked and on the device."""

    def reference(self, dataset: Dataset) -> Statistics | None:
        """Statistics of a training split shipped with the weights, if they are for this very data."""
        del dataset
        return None

    def __call__(self, images: Tensor) -> Tensor:
        """Features of raw images, in batches.

        Raises:
            FmbenchError: they are not of the dtype, shape or range that the weights were made for.
        """
        self._check(images)
        with torch.no_grad():
            parts = [self.features(part.to(self.device)).cpu() for part in images.split(self.batch_size)]
        return torch.cat(parts).float()

    def _check(self, images: Tensor) -> None:
        expects = f"features {self.name} take uint8 images of levels 0 to {self.levels - 1}"
        if images.dtype != torch.uint8:
            raise FmbenchError(f"{expects}, not {images.dtype}")
        if images.ndim != 4 or (self.shape is not None and tuple(images.shape[1:]) != self.shape):
            raise FmbenchError(f"{expects} and shape {self.shape}, not {tuple(images.shape[1:])}")
        if len(images) and int(images.max()) >= self.levels:
            raise FmbenchError(f"{expects}, not {int(images.max())}")


def load_extractor(name: str, device: torch.device) -> Extractor:
    """The extractor of that name.

    Raises:
        FmbenchError: there is none, or its weights are not what they should be.
        Unavailable: its weights are not here.
    """
    if name not in EXTRACTORS:
        raise unknown("feature extractor", name, EXTRACTORS)
    module, _, factory = EXTRACTORS[name].partition(":")
    extractor = getattr(importlib.import_module(module), factory)(device)
    if not isinstance(extractor, Extractor):
        raise FmbenchError(f"{EXTRACTORS[name]} is not a feature extractor")
    return extractor
