"""Means of a kernel over pairs of points, in blocks that bound the memory, and the distances made of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]
"""k(x, y) of every pair: (n, d) and (m, d) to (n, m). Symmetric: k(x, y) is k(y, x) transposed."""

BLOCK = 1000


def mean_between(kernel: Kernel, x: Tensor, y: Tensor, block: int = BLOCK) -> float:
    """Mean of k(x_i, y_j) over all i and j.

    Args:
        kernel: symmetric.
        x: (n, d).
        y: (m, d).
        block: rows and columns of the largest table held at once.
    """
    total = sum(_total(kernel(a, b)) for a in x.split(block) for b in y.split(block))
    return total / (len(x) * len(y))


def mean_within(kernel: Kernel, x: Tensor, block: int = BLOCK) -> float:
    """Mean of k(x_i, x_j) over all i other than j: the U-statistic of E k(X, X').

    Args:
        kernel: symmetric, so that each pair of blocks is visited once.
        x: (n, d), n at least 2.
        block: rows and columns of the largest table held at once.
    """
    blocks, total = x.split(block), 0.0
    for index, a in enumerate(blocks):
        table = kernel(a, a)
        total += _total(table) - _total(table.diagonal())
        total += 2 * sum(_total(kernel(a, b)) for b in blocks[index + 1 :])
    return total / (len(x) * (len(x) - 1))


def mmd2(kernel: Kernel, x: Tensor, y: Tensor, block: int = BLOCK) -> float:
    """The unbiased squared maximum mean discrepancy, E k(X, X') + E k(Y, Y') - 2 E k(X, Y).

    Gretton et al. 2012, eq. 3 (the sum over i other than j of both samples, and all pairs between them). It may be
    negative. With the kernel -|x - y| it is the energy distance (Sejdinovic et al. 2013, section 4).

    Args:
        kernel: symmetric.
        x: (n, d), n at least 2.
        y: (m, d), m at least 2.
        block: rows and columns of the largest table held at once.
    """
    return mean_within(kernel, x, block) + mean_within(kernel, y, block) - 2 * mean_between(kernel, x, y, block)


def _total(table: Tensor) -> float:
    """Summed in double precision, whatever the kernel's."""
    return float(table.sum(dtype=torch.float64))
