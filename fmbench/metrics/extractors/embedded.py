"""Small classifiers trained on a dataset's own training split, shipped with their reference statistics."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError
from fmbench.metrics.extractors import Extractor
from fmbench.metrics.frechet import Statistics
from fmbench.registry.digests import EXTRACTORS

FOLDER = Path(__file__).parent


class SmallClassifier(nn.Module):
    """Three convolutions and two linear layers; no batch normalisation or dropout, so it has one behaviour.

    Args:
        size: side of the square, one-channel images.
        dimension: of the features: the layer before the last, taken before its activation.
        classes: of the labels.
    """

    scale: Tensor

    def __init__(self, size: int, dimension: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 32, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Flatten(),
        )
        side = -(-size // 4)
        self.embed = nn.Linear(64 * side * side, dimension)
        self.classify = nn.Linear(dimension, classes)
        self.register_buffer("scale", torch.ones(()))

    def features(self, x: Tensor) -> Tensor:
        """(n, 1, size, size) in [-1, 1] -> (n, dimension), scaled so that the training split has trace = dimension."""
        features: Tensor = self.scale * self.embed(self.convolutions(x))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the classes."""
        logits: Tensor = self.classify(nn.functional.silu(self.embed(self.convolutions(x))))
        return logits


def to_input(images: Tensor, levels: int) -> Tensor:
    """uint8 levels -> [-1, 1]."""
    return images.float() * (2 / (levels - 1)) - 1


@dataclass(frozen=True)
class Artifact:
    """The two files of an extractor, checked: a safetensors of weights and statistics, a JSON of facts about them."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    @classmethod
    def read(cls, name: str, sha256: str, folder: Path = FOLDER) -> Artifact:
        """Read and verify.

        Raises:
            FmbenchError: the digest is not the expected one, or the file is not readable.
        """
        path = folder / f"{name}.safetensors"
        try:
            content = path.read_bytes()
            facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise FmbenchError(f"feature extractor {name}: {error.strerror}: {path.name}; reinstall fmbench") from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise FmbenchError(
                f"feature extractor {name}: SHA-256 of {path.name} is {found[:12]}..., not {sha256[:12]}...; "
                "reinstall fmbench"
            )
        try:
            return cls(load_safetensors(content), facts)
        except SafetensorError as error:
            raise FmbenchError(f"feature extractor {name}: {path.name} is damaged: {error}") from error


class Embedded(Extractor):
    """A shipped classifier.

    Args:
        name: of the artifact.
        sha256: of its safetensors file.
        device: where to compute.
        folder: where the artifact is.
    """

    def __init__(self, name: str, sha256: str, device: torch.device, folder: Path = FOLDER) -> None:
        artifact = Artifact.read(name, sha256, folder)
        facts = artifact.facts
        super().__init__(name, sha256, tuple(facts["shape"]), facts["levels"], device)
        tensors = artifact.tensors
        weights = {key.removeprefix("net."): tensors[key].float() for key in tensors if key.startswith("net.")}
        self.network = SmallClassifier(facts["shape"][1], facts["dimension"], facts["classes"])
        self.network.load_state_dict(weights)
        self.network.to(device).eval()
        mean, covariance = tensors["reference.mean"], tensors["reference.covariance"]
        self._reference = Statistics(mean, covariance, facts["reference_n"])
        self._data_sha256 = facts["data_sha256"]

    def features(self, images: Tensor) -> Tensor:
        """(n, dimension)."""
        return self.network.features(to_input(images, self.levels))

    def reference(self, dataset: Dataset) -> Statistics | None:
        """The shipped statistics, if the dataset is bit for bit the one they are of."""
        return self._reference if dataset.digest() == self._data_sha256 else None


def digits_v1(device: torch.device) -> Extractor:
    """The classifier of the 8 x 8 digits."""
    return Embedded("digits-v1", EXTRACTORS["digits-v1"], device)


def fashion_v1(device: torch.device) -> Extractor:
    """The classifier of Fashion-MNIST."""
    return Embedded("fashion-v1", EXTRACTORS["fashion-v1"], device)
