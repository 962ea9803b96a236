"""The count of network evaluations, taken at the network itself so that no caller can forget one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn


@dataclass
class Count:
    """What a network was asked for: `calls` of it, the `rows` in them, and vector-Jacobian products through it.

    A part that is one of k equal parts of a model counts 1/k, so that a pass through the whole model counts one.
    `accepted` and `rejected` are the steps that adaptive solvers kept and threw away.
    """

    calls: float = 0
    rows: float = 0
    vjps: float = 0
    accepted: int = 0
    rejected: int = 0

    def add(self, other: Count, sign: int = 1) -> None:
        """Add another count to this one, or subtract it."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + sign * getattr(other, part.name))


class Tally(nn.Module):
    """Where the solvers of a method note their steps; a module, so that `counted` finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Count()


class CountedNetwork(nn.Module):
    """A network (t, x) -> output that counts its forward calls and the backward passes through them.

    Args:
        network: the module that is called; the first dimension of its output is the batch.
        share: what one call counts: 1, or 1/k for each of the k networks that make up one model.
    """

    def __init__(self, network: nn.Module, share: float = 1) -> None:
        super().__init__()
        self.network, self.share = network, share
        self.count = Count()

    def forward(self, *inputs: Any, **condition: Any) -> Tensor:
        """Call the network and count the call."""
        output: Tensor = self.network(*inputs, **condition)
        self.count.calls += self.share
        self.count.rows += self.share * len(output)
        if output.requires_grad and not self.training:
            output.register_hook(self._count_vjp)
        return output

    def _count_vjp(self, gradient: Tensor) -> None:
        del gradient
        self.count.vjps += self.share


@contextmanager
def counted(module: nn.Module) -> Iterator[Count]:
    """Count the work of every counted network, and the steps of every solver, inside a module while the block runs."""
    parts = [part for part in module.modules() if isinstance(part, CountedNetwork | Tally)]
    total = Count()
    for part in parts:
        total.add(part.count, -1)
    work = Count()
    yield work
    for part in parts:
        total.add(part.count)
    work.add(total)
