"""Controls: what a table must contain for its other rows to mean something."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from fmbench.api import Batch, LikelihoodSettings, LogDensity, Method, Preparation, Sampler, Task


class _Fitted(Method):
    """Fitted in closed form by `prepare`; there is nothing to descend."""

    def loss(self, batch: Batch) -> Tensor:
        """Never asked for."""
        raise NotImplementedError(f"{type(self).__name__} has no trainable parameters, hence no loss")


class GaussianMixture(_Fitted):
    """Gaussians with full covariances, fitted by scikit-learn's expectation-maximisation.

    Args:
        task: the shape and scale of the data.
        components: how many; one is the maximum-likelihood Gaussian.
        ridge: added to the diagonal of every covariance.
        restarts: of the fit from other k-means centres; the likeliest on the training data is kept.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, task: Task, *, components: int, ridge: float, restarts: int) -> None:
        super().__init__(task)
        self.components, self.ridge, self.restarts = components, ridge, restarts
        d = task.dimension
        self.register_buffer("weights", torch.full((components,), 1 / components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(components, d, dtype=torch.float64))
        self.register_buffer("factors", torch.eye(d, dtype=torch.float64).repeat(components, 1, 1))

    def prepare(self, preparation: Preparation) -> None:
        """Fit."""
        from sklearn.mixture import GaussianMixture as Mixture

        seed = int(torch.randint(2**31, (1,), generator=preparation.generator, device=preparation.x.device))
        fit = Mixture(self.components, reg_covar=self.ridge, n_init=self.restarts, max_iter=500, random_state=seed).fit(
            preparation.x.flatten(1).double().cpu().numpy()
        )
        device = self.means.device
        self.weights = torch.from_numpy(fit.weights_).to(device)
        self.means = torch.from_numpy(fit.means_).to(device)
        self.factors = torch.linalg.cholesky(torch.from_numpy(fit.covariances_)).to(device)

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """N draws; (n, *shape), float64."""
        del settings
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        white = torch.randn(
            n, self.task.dimension, 1, generator=generator, device=generator.device, dtype=torch.float64
        )
        points = self.means[which] + (self.factors[which] @ white)[:, :, 0]
        return points.reshape(n, *self.task.shape)

    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: Generator) -> LogDensity:
        """The mixture's log-density, exact."""
        del settings, generator
        apart = x.double().flatten(1)[:, None] - self.means  # (n, components, d)
        white = torch.linalg.solve_triangular(self.factors, apart.permute(1, 2, 0), upper=False)
        squares = white.square().sum(dim=1).T
        volume = torch.log(torch.diagonal(self.factors, dim1=1, dim2=2)).sum(dim=1)
        constant = 0.5 * self.task.dimension * math.log(2 * math.pi)
        return LogDensity(torch.logsumexp(torch.log(self.weights) - 0.5 * squares - volume - constant, dim=1))


class Gaussian(GaussianMixture):
    """The maximum-likelihood Gaussian with a full covariance."""

    def __init__(self, task: Task, *, ridge: float) -> None:
        super().__init__(task, components=1, ridge=ridge, restarts=1)


class Copycat(_Fitted):
    """Draws training points again: what a perfect memory looks like, and which metrics it fools."""

    memory: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.register_buffer("memory", torch.zeros(task.size, *task.shape))

    def prepare(self, preparation: Preparation) -> None:
        """Remember."""
        self.memory = preparation.x

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """N training points, drawn with replacement."""
        del settings
        return self.memory[
            torch.randint(0, len(self.memory), (n,), generator=generator, device=generator.device)
        ].double()
