"""The fastest products that a device makes: what all training is bounded by."""

from __future__ import annotations

import time

import torch

SIDES = (512, 1024, 2048)  # of square matrices; which is fastest differs from device to device
SECONDS = 0.3  # that each is repeated


def product_limit(dtype: torch.dtype, device: str) -> float:
    """FLOPs per second of the fastest of several products of square matrices, 2 n^3 each.

    Args:
        dtype: of the matrices.
        device: "cpu" or "cuda".
    """
    return max(rate(torch.randn(side, side, device=device).to(dtype)) for side in SIDES)


def rate(matrix: torch.Tensor) -> float:
    """FLOPs per second of a matrix times itself."""
    multiply(matrix)  # the first call of a size may compile or plan
    begun, times = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        multiply(matrix)
        times += 1
    return times * 2 * len(matrix) ** 3 / (time.perf_counter() - begun)


def multiply(matrix: torch.Tensor) -> None:
    """A matrix times itself, to the end."""
    matrix @ matrix
    if matrix.is_cuda:
        torch.cuda.synchronize()
