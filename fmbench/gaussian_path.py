"""Methods on a Gaussian path: flow matching and diffusion are presets of path, coupling, prediction and weight."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fmbench import objectives
from fmbench.config import Sampler
from fmbench.couplings import Coupling, Independent
from fmbench.likelihood import LikelihoodSettings, LogDensity, ode_log_prob
from fmbench.method import Batch, Method, Task
from fmbench.objectives import Quantity, Weight
from fmbench.paths import Coefficients, Path
from fmbench.solvers import SAMPLERS


class GaussianPathMethod(Method):
    """Regress a quantity of the path x_t = alpha x1 + sigma x0; sample by its ODE or from its posteriors.

    A subclass names its path and what the network predicts; coupling and weight have defaults. The network meets
    inputs and targets of unit variance on every path: x_t is divided by its root mean square, and the network's
    output multiplied by that of the predicted quantity.

    Args:
        task: the shape and scale of the data, and the shared network.
        path: replaces the class's path, for subclasses with options.
    """

    path: Path
    predicts: ClassVar[Quantity] = "velocity"
    coupling: Coupling = Independent()
    weight: Weight = staticmethod(objectives.unit)

    def __init__(self, task: Task, *, path: Path | None = None) -> None:
        super().__init__(task)
        if path is not None:
            self.path = path
        self.network = task.build_network()

    def loss(self, batch: Batch) -> Tensor:
        """The weighted squared error of the unit-variance output (Lipman et al. 2023, eq. 9, for the velocity)."""
        x1, generator = batch.x, batch.generator
        x0 = torch.randn(x1.shape, generator=generator, device=x1.device, dtype=x1.dtype)
        x0, x1 = self.coupling.pair(x0, x1, generator)
        t = self.path.sample_time(len(x1), generator)
        c = self.path.coefficients(t, x1)
        wanted = objectives.target(self.predicts, c, x0, x1) / objectives.scale(self.predicts, c, self.task.data_rms)
        error = self._output(t, c.interpolate(x0, x1), c) - wanted
        weight = self.weight(self.path, t).to(error.dtype)
        return (weight * error.square().flatten(1).mean(dim=1)).mean()

    def predict(self, quantity: Quantity, t: Tensor | float, x: Tensor) -> Tensor:
        """The network's estimate of a quantity at (t, x); t a number or (n,), x (n, *shape) of any float dtype."""
        c = self.path.coefficients(t, x)
        value = objectives.scale(self.predicts, c, self.task.data_rms) * self._output(t, x, c)
        return objectives.convert(value, self.predicts, quantity, c, x)

    def velocity(self, t: Tensor | float, x: Tensor) -> Tensor:
        """dx/dt of the (probability-flow) ODE from noise to data."""
        return self.predict("velocity", t, x)

    def score(self, t: Tensor | float, x: Tensor) -> Tensor:
        """Gradient of log p_t."""
        return self.predict("score", t, x)

    def denoise(self, t: Tensor | float, x: Tensor) -> Tensor:
        """E[x1 | x_t = x]."""
        return self.predict("data", t, x)

    @property
    def interval(self) -> tuple[float, float]:
        """(t_min, t_max) of the path."""
        return self.path.t_min, self.path.t_max

    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """N samples by a named sampler; (n, *shape), float64."""
        noise = self.path.source(n, self.task.shape, generator)
        samples: Tensor = SAMPLERS[settings.name].load()(self, noise, settings, generator)
        return samples

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
        """Log-density under the ODE, at the end of the path's range of t."""
        return ode_log_prob(self, x, settings, generator)

    def _output(self, t: Tensor | float, x: Tensor, c: Coefficients) -> Tensor:
        """The network's output, of unit variance, in the dtype of x; the network itself runs in float32."""
        times = torch.as_tensor(t, device=x.device).to(torch.float32).reshape(-1)  # (n,), or (1,) for one time
        scaled = x / c.rms(self.task.data_rms)
        output: Tensor = self.network(times, scaled.to(torch.float32))
        return output.to(x.dtype)
