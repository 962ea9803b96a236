"""A training step for what it shows on the way, of which nothing stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def rehearsal(module: nn.Module) -> Iterator[None]:
    """A block that computes losses and gradients of a module, whose state is as before afterwards, gradients gone."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        yield
    finally:
        module.load_state_dict(before)
        module.zero_grad(set_to_none=True)
