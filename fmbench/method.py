"""What a method must and may offer.

A method is what differs between two rows of the table. It turns a batch into a loss and noise into samples; it never
sees a data loader, an optimiser, a device, a file or a metric. Two things are required, `loss` and `sample`; the rest
is offered by those methods that have it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fmbench.config import Sampler
from fmbench.likelihood import LikelihoodSettings, LogDensity
from fmbench.solvers.nfe import CountedNetwork


@dataclass(frozen=True)
class Task:
    """What a method may know of the data it is to model.

    Args:
        shape: of one point in model space.
        data_rms: root mean square of the training data in model space.
        network: builds the network that every method of the run shares, for data of a given shape.
    """

    shape: tuple[int, ...]
    data_rms: float
    network: Callable[[tuple[int, ...]], nn.Module]

    def build_network(self) -> CountedNetwork:
        """The shared network, freshly initialised: (t, x) -> output shaped as x, t (n,) or (1,); calls are counted."""
        return CountedNetwork(self.network(self.shape))


@dataclass(frozen=True)
class Batch:
    """One training batch.

    Args:
        x: (n, *shape), model space, float32; levels are already dequantised.
        labels: (n,), int64, where the data has any.
        generator: the only source of randomness that a loss may use; it makes a step repeatable.
    """

    x: Tensor
    labels: Tensor | None
    generator: torch.Generator


class Method(nn.Module, ABC):
    """A generative method.

    Args:
        task: the shape and scale of the data, and the shared network.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """A scalar to descend."""

    @abstractmethod
    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """N samples, (n, *shape), model space."""

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
        """Log-density of points (n, *shape) of model space, for methods whose spec names a likelihood."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob; its spec should say likelihoods=()")

    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Variational upper bound on -log p(x) in nats, (n,), for methods whose spec names "vlb"."""
        raise NotImplementedError(f"{type(self).__name__} has no variational bound; its spec should not name 'vlb'")

    def forward(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of a batch; what wrappers for devices and precision call."""
        return self.loss(Batch(x, labels, generator))
