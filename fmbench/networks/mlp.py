"""A residual multilayer perceptron modulated by time: the default for vectors and for the 8 x 8 digits."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fmbench.networks.given import joined, widened

TIME_SCALE = 1000.0  # sinusoids are laid out for 0 .. 1000: every network sees 1000 t


class TimeEmbedding(nn.Module):
    """Sinusoids of 1000 t, then two layers (Vaswani et al. 2017, section 3.5; Ho et al. 2020, appendix B)."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        frequencies = torch.exp(-math.log(1e4) * torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * half, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        """(n,) -> (n, width), also for the single time (1,) that all rows share while sampling."""
        angles = TIME_SCALE * t[:, None] * self.frequencies
        embedded: Tensor = self.layers(torch.cat([torch.sin(angles), torch.cos(angles)], dim=1))
        return embedded


class SecondTime(TimeEmbedding):
    """The embedding of a second time, which starts at zero: its last layer does, and SiLU(0) = 0."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        for parameter in self.layers[2].parameters():
            nn.init.zeros_(parameter)


class Block(nn.Module):
    """A residual block whose normalised input is shifted, scaled and gated by the time embedding.

    The gate starts at zero, so the block starts as the identity (Peebles and Xie 2023, section 3.2).
    """

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(time_width, 3 * width)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """(n, width), (n or 1, time_width) -> (n, width)."""
        shift, scale, gate = self.modulation(time).chunk(3, dim=1)
        inner = nn.functional.silu(self.inner(self.norm(h) * (1 + scale) + shift))
        out: Tensor = h + gate * self.outer(inner)
        return out


class ResidualMLP(nn.Module):
    """Points of any shape, flattened.

    Args:
        shape: of one point.
        width: of the hidden layers.
        depth: number of residual blocks.
        time_width: of the time embedding.
        classes: number of classes to condition on; one more label means "no class".
        times: 2 for a second time r.
        given: shape of the image given beside each point of pair data; () for none.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        width: int,
        depth: int,
        time_width: int,
        classes: int = 0,
        times: int = 1,
        given: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        dimension, self.given = math.prod(shape), given
        self.time = TimeEmbedding(time_width)
        self.label = nn.Embedding(classes + 1, time_width) if classes else None
        self.first = nn.Linear(math.prod(widened(shape, given)), width)
        self.blocks = nn.ModuleList(Block(width, time_width) for _ in range(depth))
        self.last = nn.Linear(width, dimension)
        self.second = SecondTime(time_width) if times == 2 else None  # drawn last: the others are as with one time

    def forward(self, t: Tensor, x: Tensor, labels: Tensor | None = None, r: Tensor | None = None) -> Tensor:
        """The output, shaped as x (n, *shape), at times t (and r), (n,) or (1,), for labels (n,) or what is given."""
        time = self.time(t)
        if self.label is not None:
            time = time + self.label(labels)
        if self.second is not None:
            time = time + self.second(t if r is None else r)
        h = self.first((joined(x, labels) if self.given else x).flatten(1))
        for block in self.blocks:
            h = block(h, time)
        out: Tensor = self.last(h)
        return out.reshape(x.shape)
