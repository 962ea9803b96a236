"""Gaussian and Gaussian-mixture data: on every Gaussian path the optimal network is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmbench.methods.base import Task
from fmbench.methods.gaussian_path import GaussianPathMethod
from fmbench.paths import objectives
from fmbench.paths.gaussian import Path
from fmbench.paths.objectives import Quantity


class GaussianLaw:
    """N(mean, covariance) as the data of a path.

    Take a covariance that is not diagonal: an isotropic one lets a wrong trace or a swapped axis pass.

    Args:
        mean: (d,), float64.
        covariance: (d, d), float64.
    """

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        self.mean, self.covariance = mean, covariance
        self.variances, self.axes = torch.linalg.eigh(covariance)

    @property
    def rms(self) -> float:
        """Root mean square over coordinates."""
        return math.sqrt(float(self.mean.square().mean() + self.covariance.diagonal().mean()))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, d)."""
        noise = torch.randn(n, len(self.mean), generator=generator, dtype=torch.float64)
        points: Tensor = self.mean + noise @ torch.linalg.cholesky(self.covariance).T
        return points

    def log_prob(self, x: Tensor) -> Tensor:
        """(n,), nats."""
        law: Tensor = torch.distributions.MultivariateNormal(self.mean, self.covariance).log_prob(x)
        return law

    def expect(self, quantity: Quantity, path: Path, t: Tensor, x: Tensor) -> Tensor:
        """The conditional expectation of a quantity given x_t = x: what the best network predicts.

        x_t is Gaussian with covariance C = alpha^2 Sigma + sigma^2 I, and jointly so with x1 and x0.

        Args:
            quantity: of the path.
            path: the path.
            t: (n,), float64.
            x: (n, d), float64.
        """
        c = path.coefficients(t, x)
        white = (x - c.alpha * self.mean) @ self.axes / (c.alpha**2 * self.variances + c.sigma**2)
        data: Tensor = self.mean + c.alpha * (white * self.variances) @ self.axes.T
        noise: Tensor = c.sigma * white @ self.axes.T
        a, b = objectives.combination(quantity, c)
        return a * data + b * noise


class MixtureLaw:
    """Several Gaussians as the data of a path: a density that is not Gaussian, with a velocity that is not linear.

    Args:
        parts: the Gaussians.
        weights: (k,), of sum one.
    """

    def __init__(self, parts: Sequence[GaussianLaw], weights: Tensor) -> None:
        self.parts, self.weights = parts, weights
        self.mean = torch.stack([part.mean for part in parts]).T @ weights

    @property
    def rms(self) -> float:
        """Root mean square over coordinates."""
        squares = torch.tensor([part.rms**2 for part in self.parts], dtype=torch.float64)
        return math.sqrt(float(squares @ self.weights))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, d)."""
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        each = torch.stack([part.sample(n, generator) for part in self.parts])
        return each[which, torch.arange(n)]

    def log_prob(self, x: Tensor) -> Tensor:
        """(n,), nats."""
        each = torch.stack([part.log_prob(x) for part in self.parts], dim=1)
        return torch.logsumexp(each + self.weights.log(), dim=1)

    def expect(self, quantity: Quantity, path: Path, t: Tensor, x: Tensor) -> Tensor:
        """As of a Gaussian, averaged over which part x_t came from."""
        c = path.coefficients(t, x)
        logits = []
        for part in self.parts:
            variances = c.alpha**2 * part.variances + c.sigma**2
            white = (x - c.alpha * part.mean) @ part.axes
            logits.append(-0.5 * (white.square() / variances + variances.log()).sum(dim=1))
        share = torch.softmax(torch.stack(logits, dim=1) + self.weights.log(), dim=1)
        each = torch.stack([part.expect(quantity, path, t, x) for part in self.parts], dim=2)
        return (each * share[:, None]).sum(dim=2)


Law = GaussianLaw | MixtureLaw


class OracleNetwork(nn.Module):
    """Stands where the trained network would: unit-variance input and output, float32.

    Args:
        law: of the data.
        path: of the method.
        predicts: what the method asks of its network.
        data_rms: as the method's task says it.
    """

    def __init__(self, law: Law, path: Path, predicts: Quantity, data_rms: float) -> None:
        super().__init__()
        self.law, self.path, self.predicts, self.data_rms = law, path, predicts, data_rms

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """(n,) or (1,), (n, ...) -> as x."""
        times, scaled = t.double().expand(len(x)), x.double().flatten(1)
        c = self.path.coefficients(times, scaled)
        point = scaled * c.rms(self.data_rms)
        value = self.law.expect(self.predicts, self.path, times, point)
        value = value / objectives.scale(self.predicts, c, self.data_rms)
        return value.reshape(x.shape).to(x.dtype)


def oracle_method(
    law: Law, path: Path, predicts: Quantity = "velocity", shape: tuple[int, ...] | None = None
) -> GaussianPathMethod:
    """A method on a path whose network is the oracle, in evaluation mode.

    Args:
        law: of the data.
        path: of the method.
        predicts: what its network predicts.
        shape: of a point, where it is not (d,).
    """
    rms = law.rms
    task = Task(shape or (len(law.mean),), rms, lambda _: OracleNetwork(law, path, predicts, rms))
    kind = type("OracleMethod", (GaussianPathMethod,), {"predicts": predicts})
    method: GaussianPathMethod = kind(task, path=path)
    return method.eval()
