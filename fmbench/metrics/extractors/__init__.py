"""Feature extractors: frozen networks from raw images to feature vectors, each with its digest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError
from fmbench.metrics.frechet import Statistics
from fmbench.registry.specs import ExtractorSpec


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

    def blocks(self, images: Tensor) -> Iterator[Tensor]:
        """Features of raw images, batch by batch, (b, dimension), float32, on the CPU.

        Raises:
            FmbenchError: they are not of the dtype, shape or range that the weights were made for.
        """
        self._check(images)
        for part in images.split(self.batch_size):
            with torch.no_grad():
                yield self.features(part.to(self.device)).cpu().float()

    def __call__(self, images: Tensor) -> Tensor:
        """All of them, (n, dimension)."""
        return torch.cat(list(self.blocks(images)))

    def colours(self, images: Tensor) -> Tensor:
        """Images of 1 or 3 channels as images of three.

        Raises:
            FmbenchError: they have another number of channels.
        """
        if images.shape[1] not in (1, 3):
            raise FmbenchError(f"features {self.name} take images of 1 or 3 channels, not {images.shape[1]}")
        return images.expand(-1, 3, -1, -1)

    def _check(self, images: Tensor) -> None:
        expects = f"features {self.name} take uint8 images of levels 0 to {self.levels - 1}"
        if images.dtype != torch.uint8:
            raise FmbenchError(f"{expects}, not {images.dtype}")
        if images.ndim != 4 or (self.shape is not None and tuple(images.shape[1:]) != self.shape):
            raise FmbenchError(f"{expects} and shape {self.shape}, not {tuple(images.shape[1:])}")
        if len(images) and int(images.max()) >= self.levels:
            raise FmbenchError(f"{expects}, not {int(images.max())}")


def load_extractor(spec: ExtractorSpec, device: torch.device) -> Extractor:
    """The extractor of a spec, on a device.

    Raises:
        FmbenchError: its weights are not what they should be.
        Unavailable: its weights are not here.
    """
    extractor = spec.load()(device)
    if not isinstance(extractor, Extractor):
        raise FmbenchError(f"{spec.factory} gives a {type(extractor).__name__}, not a fmbench.api.Extractor")
    if extractor.sha256 != spec.sha256:
        raise FmbenchError(
            f"feature extractor {spec.name}: its weights are {extractor.sha256[:12]}..., its spec says "
            f"{spec.sha256[:12]}..."
        )
    return extractor
