"""A transformer on the patches of an image: the DiT of Peebles and Xie 2023, with its "adaLN-Zero" blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fmbench.errors import FmbenchError
from fmbench.networks.given import joined, widened
from fmbench.networks.mlp import SecondTime, TimeEmbedding
from fmbench.registry.builtin.networks import dit_misfit

LONGEST = 1e4  # the period of the slowest sinusoid of a position


class SelfAttention(nn.Module):
    """Every token looks at every token, in each head by itself: Vaswani et al. 2017, section 3.2.

    It is written out, because torch's fused kernels have neither the forward derivative that Jacobian-vector products
    need nor the second one of a method that descends along a gradient.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.into, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """(n, tokens, width) -> the same."""
        query, key, value = self.into(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(query.shape[3]), dim=3)
        out: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention, then a perceptron, each on its normalised input, shifted, scaled and gated by the condition.

    The gates start at zero, so that the block starts as the identity (Peebles and Xie 2023, section 3.2).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = SelfAttention(width, heads)
        self.perceptron = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = zeroed(nn.Linear(width, 6 * width))

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        """(n, tokens, width), (n or 1, width) -> (n, tokens, width)."""
        shift, scale, gate, later_shift, later_scale, later_gate = self.modulation(condition)[:, None].chunk(6, dim=2)
        h = h + gate * self.attention(self.norm(h) * (1 + scale) + shift)
        out: Tensor = h + later_gate * self.perceptron(self.norm(h) * (1 + later_scale) + later_shift)
        return out


class DiT(nn.Module):
    """Images of shape (channels, height, width), cut into square patches.

    Args:
        shape: of one image; both sides must be multiples of the patch's.
        patch: side of a patch, in pixels.
        width: of a token; a multiple of 4 and of the heads.
        depth: number of blocks.
        heads: of the attention.
        classes: number of classes to condition on; one more label means "no class".
        times: 2 for a second time r.
        given: shape of the image given beside each point of pair data; () for none.

    Raises:
        FmbenchError: the data are not such images, or the width does not fit.
    """

    positions: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        classes: int = 0,
        times: int = 1,
        given: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        misfit = dit_misfit({"patch": patch, "width": width, "heads": heads}, shape)
        if misfit:
            raise FmbenchError(f"network.name = 'dit': {misfit}")
        self.patch, self.given = patch, given
        self.grid = shape[1] // patch, shape[2] // patch
        numbers = shape[0] * patch**2
        self.register_buffer("positions", sinusoids(self.grid, width), persistent=False)
        self.time = TimeEmbedding(width)
        self.label = nn.Embedding(classes + 1, width) if classes else None
        self.first = nn.Linear(widened(shape, given)[0] * patch**2, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, numbers))
        self.second = SecondTime(width) if times == 2 else None  # drawn last: the others are as with one time

    def forward(self, t: Tensor, x: Tensor, labels: Tensor | None = None, r: Tensor | None = None) -> Tensor:
        """The output, shaped as x (n, *shape), at times t (and r), (n,) or (1,), for labels (n,) or what is given."""
        condition = self.time(t)
        if self.label is not None:
            condition = condition + self.label(labels)
        if self.second is not None:
            condition = condition + self.second(t if r is None else r)
        h = self.first(self.cut(joined(x, labels) if self.given else x)) + self.positions
        for block in self.blocks:
            h = block(h, condition)
        shift, scale = self.modulation(condition)[:, None].chunk(2, dim=2)
        return self.joined(self.last(self.norm(h) * (1 + scale) + shift))

    def cut(self, x: Tensor) -> Tensor:
        """(n, channels, height, width) -> (n, patches, channels * patch^2), row by row."""
        (rows, columns), p = self.grid, self.patch
        return x.reshape(len(x), -1, rows, p, columns, p).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def joined(self, patches: Tensor) -> Tensor:
        """The inverse of `cut`."""
        (rows, columns), p = self.grid, self.patch
        parts = patches.reshape(len(patches), rows, columns, -1, p, p).permute(0, 3, 1, 4, 2, 5)
        return parts.reshape(len(patches), -1, rows * p, columns * p)


def sinusoids(grid: tuple[int, int], width: int) -> Tensor:
    """Fixed positions, (rows * columns, width): half of the numbers tell the row, half the column.

    Sines, then cosines, of Vaswani et al. 2017, section 3.5, along each axis.
    """
    frequencies = LONGEST ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    rows, columns = (torch.arange(length)[:, None] * frequencies for length in grid)
    rows, columns = (torch.cat([angles.sin(), angles.cos()], dim=1) for angles in (rows, columns))
    both = [rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)]
    return torch.cat(both, dim=2).flatten(0, 1).float()


def zeroed(layer: nn.Linear) -> nn.Linear:
    """A layer that gives zero before the first step."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
