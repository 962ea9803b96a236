"""The Inception features of FID as the papers report it: clean-fid's network and resizing, our care for the file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import Extractor

FILE = "inception-2015-12-05.pt"
SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
VARIABLE = "FMBENCH_INCEPTION"
SIDE = 299


class Inception(Extractor):
    """2048 features of images of 256 levels; one channel is repeated to three.

    Args:
        path: of the TorchScript file.
        sha256: that the file must have.
        device: where to compute.
    """

    batch_size = 64

    def __init__(self, path: Path, sha256: str, device: torch.device) -> None:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            raise FmbenchError(
                f"{path}: SHA-256 is {found[:12]}..., not {sha256[:12]}...; delete it and fetch it again"
            )
        super().__init__("inception", sha256, None, 256, device)
        from cleanfid.inception_torchscript import InceptionV3W
        from cleanfid.resize import build_resizer

        # clean-fid looks for a file of this very name in the folder it is given.
        self._network = InceptionV3W(str(path.parent), download=False, resize_inside=False).to(device).eval()
        self._resize = build_resizer("clean")

    def features(self, images: Tensor) -> Tensor:
        """(n, 2048)."""
        colour = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        pixels = colour.permute(0, 2, 3, 1).cpu().numpy()
        resized = torch.from_numpy(np.stack([self._resize(image) for image in pixels])).permute(0, 3, 1, 2)
        features: Tensor = self._network(resized.to(self.device))
        return features


def inception(device: torch.device) -> Extractor:
    """The extractor, if FMBENCH_INCEPTION names its weights.

    Raises:
        Unavailable: it does not, or there is no such file.
    """
    named = os.environ.get(VARIABLE, "")
    path = Path(named)
    if not named or not path.is_file() or path.name != FILE:
        raise Unavailable(f"no Inception weights: set {VARIABLE} to the path of {FILE} (SHA-256 {SHA256[:12]}...)")
    return Inception(path, SHA256, device)
