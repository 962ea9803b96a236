"""The Inception features of FID as the papers report it: clean-fid's network and resizing, our care for the file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fmbench.data.downloads import cache_folder, checked, fetch
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import Extractor
from fmbench.registry.digests import EXTRACTORS

FILE = "inception-2015-12-05.pt"  # clean-fid looks for a file of this very name in the folder it is given
VARIABLE = "FMBENCH_INCEPTION"


class Inception(Extractor):
    """2048 features of images of 256 levels and 1 or 3 channels; one is repeated to three.

    Args:
        path: of the TorchScript file.
        sha256: that the file must have.
        device: where to compute.
    """

    batch_size = 64

    def __init__(self, path: Path, sha256: str, device: torch.device) -> None:
        if path.name != FILE:
            raise FmbenchError(f"{path}: clean-fid reads Inception's weights only from a file called {FILE}; rename it")
        checked(path, sha256)
        super().__init__("inception", sha256, None, 256, device)
        from cleanfid.inception_torchscript import InceptionV3W
        from cleanfid.resize import build_resizer

        self._network = InceptionV3W(str(path.parent), download=False, resize_inside=False).to(device).eval()
        self._resize = build_resizer("clean")

    def features(self, images: Tensor) -> Tensor:
        """(n, 2048)."""
        pixels = self.colours(images).permute(0, 2, 3, 1).cpu().numpy()
        resized = torch.from_numpy(np.stack([self._resize(image) for image in pixels])).permute(0, 3, 1, 2)
        features: Tensor = self._network(resized.to(self.device))
        return features


def inception(device: torch.device) -> Extractor:
    """The extractor, on the weights that FMBENCH_INCEPTION names, else on those of the cache folder.

    Raises:
        FmbenchError: the file has another digest or another name.
        Unavailable: there is no such file, and it cannot be fetched.
    """
    sha256 = EXTRACTORS["inception"]
    return Inception(locate(sha256), sha256, device)


def locate(sha256: str) -> Path:
    """Where the weights are; fetched into the cache folder, unless FMBENCH_INCEPTION is set, be it to nothing.

    Raises:
        FmbenchError: the file in the cache folder has another digest.
        Unavailable: there is no such file, and it cannot be fetched.
    """
    named = os.environ.get(VARIABLE)
    advice = f"set {VARIABLE} to the path of {FILE}, or name other features, as --set fid.features=lite0"
    if named is None:
        from cleanfid.downloads_helper import inception_url

        try:
            return fetch(inception_url, cache_folder() / FILE, sha256)
        except Unavailable as error:
            raise Unavailable(f"no Inception weights: {error}, or {advice}") from error
    path = Path(named)
    if not path.is_file():
        absent = f"; there is no {path}" if named else ""
        raise Unavailable(f"no Inception weights: {advice} (SHA-256 {sha256}){absent}")
    return path
