"""Methods whose samples follow an ordinary differential equation from a source to the data."""

from __future__ import annotations

from abc import abstractmethod

from torch import Generator, Tensor

from fmbench.methods.base import Method, Task
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings, LogDensity, ode_log_prob
from fmbench.solvers.nfe import Tally
from fmbench.solvers.ode import VelocityField


class FlowMethod(Method):
    """dx/dt = velocity(t, x), from the source at interval[0] to the data at interval[1].

    It has every ODE sampler and the log-density by change of variables.
    """

    interval: tuple[float, float] = (0.0, 1.0)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.tally = Tally()

    @abstractmethod
    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt at (t, x); t a number or (n,), x (n, *shape) of any float dtype."""

    @abstractmethod
    def source(self, n: int, generator: Generator) -> Tensor:
        """Draw n points at interval[0]; (n, *shape), float64."""

    @abstractmethod
    def source_log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the source, in nats; x (n, ...), result (n,)."""

    def field(self, n: int, settings: Sampler, generator: Generator) -> tuple[VelocityField, Tensor]:
        """What carries n samples, and the points of the source that it carries, (n, *shape)."""
        del settings
        return self, self.source(n, generator)

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """Draw n samples by a named sampler; (n, *shape), float64."""
        return self.carry(self.source(n, generator), settings, generator)

    def carry(self, x0: Tensor, settings: Sampler, generator: Generator) -> Tensor:
        """Points x0 of the source, (n, *shape), float64, carried to the data by a named sampler."""
        return self.task.sampler(settings.name)(self, x0, settings, generator)

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: Generator) -> LogDensity:
        """Log-density under the ODE, at the data end of the interval."""
        return ode_log_prob(self, x, settings, generator)
