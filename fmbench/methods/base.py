"""What a method must and may offer.

A method is what differs between two rows of the table. It turns a batch into a loss and noise into samples; it never
sees a data loader, an optimiser, a device, a file or a metric. Two things are required, `loss` and `sample`; the rest
is offered by those methods that have it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fmbench.data.base import Dataset
from fmbench.paths.sources import Gaussian, KnownDensity, Source
from fmbench.registry.builtin import fmbench_datasets, fmbench_samplers
from fmbench.registry.names import SpecT
from fmbench.registry.specs import DatasetSpec
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings, LogDensity
from fmbench.solvers.nfe import CountedNetwork

SampleFunction = Callable[[Any, Tensor, Sampler, torch.Generator], Tensor]
"""sample(method, x0, settings, generator) -> x1: `fmbench.registry.specs.SamplerSpec` says what these are."""


def named(specs: Iterable[SpecT], name: str) -> SpecT:
    """The one of that name."""
    return {spec.name: spec for spec in specs}[name]


def load_dataset(spec: DatasetSpec) -> Dataset:
    """A dataset with its default options."""
    dataset: Dataset = spec.load()(**spec.defaults)
    return dataset


@dataclass(frozen=True)
class Task:
    """What a method may know of the data it is to model.

    Args:
        shape: of one point in model space.
        data_rms: root mean square of the training data in model space.
        network: builds the network that every method of the run shares, for data of a given shape, by network(shape)
            or network(shape, times=2). With classes it is called as (t, x, labels), where the label `classes` means
            "no class".
        size: number of training points.
        bounds: the interval that holds every coordinate of the data (integer levels have one); None where there is
            none.
        classes: number of classes to condition on; 0 for unconditional training.
        label_dropout: share of the labels of a batch that conditional training replaces by "no class".
        given: shape of the image that is given beside each point of pair data, (channels, height, width); () for none.
        sampler: finds a sampler's function by name; by default among those that fmbench ships.
        dataset: loads a dataset by name, with its default options; by default one that fmbench ships.
    """

    shape: tuple[int, ...]
    data_rms: float
    network: Callable[..., nn.Module]
    size: int = 1
    bounds: tuple[float, float] | None = None
    classes: int = 0
    label_dropout: float = 0.1
    given: tuple[int, ...] = ()
    sampler: Callable[[str], SampleFunction] = lambda name: named(fmbench_samplers(), name).load()
    dataset: Callable[[str], Dataset] = lambda name: load_dataset(named(fmbench_datasets(), name))

    @property
    def dimension(self) -> int:
        """Number of coordinates of a point."""
        return math.prod(self.shape)

    def build_network(self, times: int = 1) -> CountedNetwork:
        """The shared network, freshly initialised: (t, x) -> output shaped as x, t (n,) or (1,); calls are counted.

        With classes it takes labels too, (t, x, labels), and of pair data what is given, (t, x, given). With times=2 it
        takes a second time: (t, x, r=r), r shaped as t, and is the diagonal r = t where none is given. The second time
        has no effect before the first step.

        Raises:
            FmbenchError: the run's network takes no second time.
        """
        return CountedNetwork(self.network(self.shape) if times == 1 else self.network(self.shape, times=times))

    def source(self, name: str) -> Source:
        """The law "normal", or that of a dataset whose density is known.

        Raises:
            FmbenchError: the dataset's density is not known.
        """
        return Gaussian() if name == "normal" else KnownDensity(self.dataset(name))


EVERY = slice(None)
Pairs = tuple[Tensor, Tensor]
"""(x0, x1), each (n, *shape): row i of the noise belongs with row i of the data."""


@dataclass(frozen=True)
class Batch:
    """One training batch.

    Args:
        x: (n, *shape), model space, float32; levels are already dequantised.
        labels: what the points may be conditioned on: of classes (n,), int64, where the data has any; of pair data what
            is given beside them, (n, *task.given).
        companions: (m, *shape), points of the batches to come, for methods that ask for them.
        generator: the only source of randomness that a loss may use; it makes a step repeatable.
        rows: of the n points those that are this process's to compute, all by default; see `Method.shares_batch`.
        step: how many steps of the optimiser lie behind.
        progress: the share of the training budget that is spent, from 0 to 1, whatever its unit; what preparation
            took is left out.
        pairs: what `Method.ahead` made of the batch; None where it was not asked.
    """

    x: Tensor
    labels: Tensor | None
    generator: torch.Generator
    companions: Tensor | None = None
    rows: slice = field(default_factory=lambda: EVERY)
    step: int = 0
    progress: float = 0.0
    pairs: Pairs | None = None

    def mine(self, tensor: Tensor) -> Tensor:
        """Take the rows to compute of a tensor (n, ...) that goes with the points."""
        return tensor[self.rows]


@dataclass(frozen=True)
class Preparation:
    """What a method may use before its first step; the time and the images it takes are charged to training.

    Args:
        x: (n, *shape), the training split in model space, float32; one dequantisation draw a point.
        generator: the only source of randomness.
        batch_size: points that a training step sees; larger blocks may not fit.
        teacher: the trained teacher, for methods whose spec names one: averaged weights, in evaluation mode.
    """

    x: Tensor
    generator: torch.Generator
    batch_size: int
    teacher: Method | None = None


@dataclass(frozen=True)
class Player:
    """One of several parts of a method that learn from losses of their own, as a generator and its critic.

    Args:
        name: in the log and in checkpoints.
        module: whose trainable parameters it moves; no parameter belongs to two players.
        loss: a scalar to descend, of a batch; only the player's own parameters get its gradient.
        scored: whether samples need it: its weights are then averaged, and the average sampled from.
        rate: multiplies the learning rate.
    """

    name: str
    module: nn.Module
    loss: Callable[[Batch], Tensor]
    scored: bool = True
    rate: float = 1.0


class Method(nn.Module, ABC):
    """A generative method.

    One without trainable parameters is fitted by `prepare` alone; its loss is never asked for.

    Args:
        task: the shape and scale of the data, and the shared network.
    """

    companions: int = 0
    """How many further batches a loss wants to see beside its own, without training on them."""

    shares_batch: bool = False
    """Whether the loss heeds `Batch.rows`, so that several devices, or several parts one after the other, can share a
    batch: it draws all randomness for the whole batch, as it would without them, and then runs its networks on, and
    averages over, `batch.mine(...)` alone. One that does not heed them computes the whole batch on every device: the
    same numbers, no faster."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.given: Tensor | None = None

    @contextmanager
    def beside(self, given: Tensor) -> Iterator[None]:
        """Within, a point of pair data is drawn beside each of these images, `self.given`, (n, *task.given)."""
        self.given = given
        try:
            yield
        finally:
            self.given = None

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """A scalar to descend."""

    def players(self) -> Sequence[Player]:
        """Those that learn, in the order in which they step; by default the whole method, from its loss.

        All see the same batch. Each computes its loss after those before it have stepped, and draws on from where
        they left the batch's generator.
        """
        return (Player("method", self, self.loss),)

    @property
    def ahead(self) -> Callable[[Batch], Pairs] | None:
        """What pairs the points of a batch, where that is costly and no weights decide it; None by default.

        Where a core is idle the trainer calls it in a thread while the step before is computed, and gives the loss the
        batch with what came of it. Its randomness is from the batch's generator alone, and it sees neither the step nor
        the progress. Methods of several players are not asked.
        """
        return None

    def before_step(self) -> None:
        """Work between a backward pass and the optimiser's step, as a power iteration; nothing by default."""

    def prepare(self, preparation: Preparation) -> None:
        """Work before the first step, as fitting statistics or sampling a teacher; nothing by default.

        It runs again when an interrupted training resumes, so it must be a function of the preparation alone. What
        is needed to sample must be in buffers or parameters; what only the loss needs may be kept anywhere.
        """

    @abstractmethod
    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """Draw n samples, (n, *shape), in model space."""

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
        """Log-density of points (n, *shape) of model space, for methods whose spec names a likelihood."""
        raise NotImplementedError(f"{type(self).__name__} has no log_prob; its spec should say likelihoods=()")

    def bound(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Variational upper bound on -log p(x) in nats, (n,), for methods whose spec names "vlb"."""
        raise NotImplementedError(f"{type(self).__name__} has no variational bound; its spec should not name 'vlb'")

    def forward(
        self,
        x: Tensor,
        labels: Tensor | None,
        generator: torch.Generator,
        companions: Tensor | None = None,
        rows: slice = EVERY,
        step: int = 0,
        progress: float = 0.0,
        pairs: Pairs | None = None,
        player: int = 0,
    ) -> Tensor:
        """The loss of a batch; what wrappers for devices and precision call.

        Raises:
            TypeError: the loss is no scalar.
        """
        loss = self.players()[player].loss(Batch(x, labels, generator, companions, rows, step, progress, pairs))
        if not isinstance(loss, Tensor) or loss.ndim:
            found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise TypeError(f"the loss of {type(self).__name__} is {found}, not a scalar: return its mean")
        return loss
