"""Methods on a Gaussian path: flow matching and diffusion are presets of path, coupling, prediction and weight."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor

from fmbench.methods.base import Batch, Pairs, Task
from fmbench.methods.coupled import CoupledMethod
from fmbench.paths import objectives
from fmbench.paths.gaussian import Coefficients, Path
from fmbench.paths.objectives import Estimate, Quantity, Weight
from fmbench.request.schema import Sampler
from fmbench.solvers.nfe import Tally
from fmbench.solvers.ode import VelocityField


class Preconditioning(NamedTuple):
    """How the network is wrapped: prediction = skip x + out network(into x); each multiplies points (n, ...)."""

    into: Tensor
    skip: Tensor | float
    out: Tensor


class Readable:
    """Everything that samplers ask of a Gaussian path, read off one estimate: one call of the network each."""

    path: Path

    @abstractmethod
    def estimate(self, t: Tensor | float, x: Tensor) -> Estimate:
        """The network's answer at (t, x); t a number or (n,), x (n, *shape) of any float dtype."""

    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt of the (probability-flow) ODE from noise to data."""
        return self.estimate(t, x).read("velocity")

    def score(self, t: Tensor | float, x: Tensor) -> Tensor:
        """Gradient of log p_t."""
        return self.estimate(t, x).read("score")

    def denoise(self, t: Tensor | float, x: Tensor) -> Tensor:
        """E[x1 | x_t = x]."""
        return self.estimate(t, x).read("data")


class GaussianPathMethod(Readable, CoupledMethod):
    """Regress a quantity of the path x_t = alpha x1 + sigma x0; sample by its ODE, its SDE or its posteriors.

    A subclass names its path and what the network predicts; coupling and weight have defaults. The network meets
    inputs and targets of unit variance on every path: x_t is divided by its root mean square, and the network's
    output multiplied by that of the predicted quantity.

    Where the task has classes, the network is trained on labels of which some are replaced by "no class" (Ho and
    Salimans 2022, algorithm 1); densities are those of "no class", samples those of classes drawn uniformly. Of pair
    data it sees what is given, in training and while samples are drawn beside it.

    Args:
        task: the shape and scale of the data, and the shared network.
        path: replaces the class's path, for subclasses with options.
    """

    shares_batch = True
    times: ClassVar[int] = 1
    """How many times the network takes; 2 for methods that learn maps between two times."""
    predicts: ClassVar[Quantity] = "velocity"
    weight: Weight = staticmethod(objectives.unit)

    def __init__(self, task: Task, *, path: Path | None = None) -> None:
        super().__init__(task)
        if path is not None:
            self.path = path
        self.network = task.build_network(self.times)

    def loss(self, batch: Batch) -> Tensor:
        """The weighted squared error of the unit-variance output (Lipman et al. 2023, eq. 9, for the velocity)."""
        x0, x1 = self.pairs(batch)
        t = self.sample_time(len(x1), batch.generator)
        labels = self._training_labels(batch)
        x0, x1, t = batch.mine(x0), batch.mine(x1), batch.mine(t)
        c = self.path.coefficients(t, x1)
        x = c.interpolate(x0, x1)
        p = self.precondition(c)
        wanted = (objectives.target(self.predicts, c, x0, x1) - p.skip * x) / p.out
        error = self._output(t, p.into * x, labels) - wanted
        weight = self.weight(self.path, t).to(error.dtype)
        return (weight * error.square().flatten(1).mean(dim=1)).mean()

    def couple(self, batch: Batch) -> Pairs:
        """(x0, x1): fresh noise, coupled with the batch."""
        x1 = batch.x
        x0 = torch.randn(x1.shape, generator=batch.generator, device=x1.device, dtype=x1.dtype)
        return self.coupling.pair(x0, x1, batch.generator)

    def sample_time(self, n: int, generator: Generator) -> Tensor:
        """The times of a training step, (n,), float64: uniform on the path's range."""
        return self.path.sample_time(n, generator)

    def network_time(self, t: Tensor) -> Tensor:
        """What the network is given as its time, in [0, 1]."""
        return t

    def precondition(self, c: Coefficients) -> Preconditioning:
        """Unit variance in and out."""
        rms = self.task.data_rms
        return Preconditioning(1 / c.rms(rms), 0.0, objectives.scale(self.predicts, c, rms))

    def estimate(self, t: Tensor | float, x: Tensor, labels: Tensor | None = None) -> Estimate:
        """The network's answer at (t, x) for labels (n,), or for "no class"; beside an end where it says nothing."""
        if labels is None and self.task.classes:
            labels = torch.full((len(x),), self.task.classes, device=x.device)
        if self.task.given:
            labels = self.given
        t = torch.as_tensor(t, dtype=torch.float64, device=x.device).clamp(*self.readable)
        c = self.path.coefficients(t, x)
        p = self.precondition(c)
        times = t.reshape(-1)  # (n,), or (1,) for one time
        return Estimate(p.skip * x + p.out * self._output(times, p.into * x, labels), self.predicts, c, x)

    @cached_property
    def readable(self) -> tuple[float, float]:
        """The times at which the network's answer can be read as what samplers ask for."""
        return objectives.readable(self.predicts, self.path)

    @property
    def interval(self) -> tuple[float, float]:  # type: ignore[override]  # read off the path
        """(t_min, t_max) of the path."""
        return self.path.t_min, self.path.t_max

    def source(self, n: int, generator: Generator) -> Tensor:
        """Noise: the path's law at t_min."""
        return self.path.source(n, self.task.shape, generator)

    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the path's law at t_min."""
        return self.path.source_log_prob(x)

    def field(self, n: int, settings: Sampler, generator: Generator) -> tuple[VelocityField, Tensor]:
        """The method itself, or at labels drawn uniformly; and noise, (n, *shape)."""
        noise = self.source(n, generator)
        if not self.task.classes:
            return self, noise
        labels = torch.randint(0, self.task.classes, (n,), generator=generator, device=generator.device)
        return Guided(self, labels, settings.guidance), noise

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """Draw n samples by a named sampler; (n, *shape), float64."""
        if not self.task.classes:
            return super().sample(n, settings, generator)
        guided, noise = self.field(n, settings, generator)
        return self.task.sampler(settings.name)(guided, noise, settings, generator)

    def _training_labels(self, batch: Batch) -> Tensor | None:
        """The labels of the rows to compute, some hidden; drawn for the whole batch. Of pair data what is given."""
        if self.task.given and batch.labels is not None:
            return batch.mine(batch.labels)
        if not self.task.classes or batch.labels is None:
            return None
        u = torch.rand(len(batch.x), generator=batch.generator, device=batch.x.device)
        return batch.mine(batch.labels.masked_fill(u < self.task.label_dropout, self.task.classes))

    def _output(self, t: Tensor, x: Tensor, labels: Tensor | None) -> Tensor:
        """The network's output in the dtype of x; the network itself runs in float32."""
        condition = () if labels is None else (labels,)
        output: Tensor = self.network(self.network_time(t).to(torch.float32), x.to(torch.float32), *condition)
        return output.to(x.dtype)


@dataclass(frozen=True)
class Guided(Readable):
    """A method seen at given labels, by classifier-free guidance: Ho and Salimans 2022, eq. 6.

    Args:
        method: trained with classes.
        labels: (n,), one a sample.
        guidance: 1 for the conditional model itself, 0 for the unconditional one; else both are asked at each step.
    """

    method: GaussianPathMethod
    labels: Tensor
    guidance: float

    @property
    def path(self) -> Path:  # type: ignore[override]  # that of the method
        """The Gaussian path of the method."""
        return self.method.path

    @property
    def interval(self) -> tuple[float, float]:
        """(t_min, t_max) of the method's path."""
        return self.method.interval

    @property
    def tally(self) -> Tally:
        """Where the method notes the steps of a solver."""
        return self.method.tally

    def estimate(self, t: Tensor | float, x: Tensor) -> Estimate:
        """(1 - w) times the unconditional estimate plus w times the conditional one."""
        conditional = self.method.estimate(t, x, self.labels)
        if self.guidance == 1:
            return conditional
        plain = self.method.estimate(t, x)
        value = plain.value + self.guidance * (conditional.value - plain.value)
        return Estimate(value, conditional.quantity, conditional.c, x)
