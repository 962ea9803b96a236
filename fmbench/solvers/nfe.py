"""The count of network evaluations, taken at the network itself so that no caller can forget one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Count:
    """What a network was asked for: `calls` of it, the `rows` in them, and vector-Jacobian products through it."""

    calls: int = 0
    rows: int = 0
    vjps: int = 0


class CountedNetwork(nn.Module):
    """A network (t, x) -> output that counts its forward calls and the backward passes through them.

    Args:
        network: the module that is called; t has shape (n,) or (1,), x shape (n, ...).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.count = Count()

    def forward(self, t: Tensor, x: Tensor, **condition: Any) -> Tensor:
        """Call the network and count the call."""
        output: Tensor = self.network(t, x, **condition)
        self.count.calls += 1
        self.count.rows += len(x)
        if output.requires_grad and not self.training:
            output.register_hook(self._count_vjp)
        return output

    def _count_vjp(self, gradient: Tensor) -> None:
        del gradient
        self.count.vjps += 1


@contextmanager
def counted(module: nn.Module) -> Iterator[Count]:
    """Count the work of every counted network inside a module while the block runs."""
    networks = [part for part in module.modules() if isinstance(part, CountedNetwork)]
    before = [Count(**vars(network.count)) for network in networks]
    total = Count()
    yield total
    for network, start in zip(networks, before, strict=True):
        total.calls += network.count.calls - start.calls
        total.rows += network.count.rows - start.rows
        total.vjps += network.count.vjps - start.vjps
