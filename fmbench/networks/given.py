"""Images that are given beside points: what networks of pair data see."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def joined(x: Tensor, given: Tensor | None) -> Tensor:
    """Points with what is given as further channels, brought to their size by bicubic interpolation.

    As SR3 sees the small image: Saharia et al. 2021, section 2.

    Args:
        x: (n, channels, height, width).
        given: (n, others, any height, any width), or None for nothing.

    Returns:
        (n, channels + others, height, width).

    >>> joined(torch.zeros(5, 1, 8, 8), torch.zeros(5, 3, 2, 2)).shape
    torch.Size([5, 4, 8, 8])
    """
    if given is None:
        return x
    larger = interpolate(given, size=x.shape[2:], mode="bicubic", align_corners=False)
    return torch.cat([x, larger.to(x.dtype)], dim=1)


def widened(shape: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of points (channels, height, width) that are joined with what is given.

    >>> widened((1, 8, 8), (3, 2, 2)), widened((2,), ())
    ((4, 8, 8), (2,))
    """
    return (shape[0] + given[0], *shape[1:]) if given else shape
