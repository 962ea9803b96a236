"""With how many bits products are taken: float32 in full, but for a training that asks for fewer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from fmbench.errors import FmbenchError
from fmbench.request.schema import Precision

AMPERE = 8  # the first compute capability with TF32 and bfloat16


def require_precision(precision: Precision, device: str) -> None:
    """Whether a device can train so.

    Args:
        precision: that is asked for.
        device: "cpu" or "cuda".

    Raises:
        FmbenchError: it cannot.
    """
    if precision == "tf32" and device == "cpu":
        raise FmbenchError("train.precision = 'tf32': a CPU has none; use bf16-mixed, or float32")
    if precision != "float32" and device == "cuda" and torch.cuda.get_device_capability()[0] < AMPERE:
        name = torch.cuda.get_device_name()
        raise FmbenchError(f"train.precision = {precision!r}: {name} has none; use float32")


def rounded(precision: Precision, device: str) -> AbstractContextManager[None]:
    """The products of a loss in bfloat16, where that is the precision: weights and data are rounded as they enter one.

    Data, noise, path and loss stay as they are; Fabric's own mixed precision rounds the batch, and with it the noise.
    """
    return torch.autocast(device, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()


@contextmanager
def products(precision: Precision) -> Iterator[None]:
    """While the block runs, products and convolutions of float32 are in TF32 by "tf32", and in full by all others.

    Left alone, cuDNN rounds what enters a convolution to TF32's 10 bits on Ampere and later, and a likelihood solved at
    a tolerance of 1e-5 means nothing.
    """
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
