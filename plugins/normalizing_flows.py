"""Flows with an exact density, f invertible in closed form: RealNVP, neural spline flows, masked autoregressive flows.

With z = f(y), z ~ N(0, I) and y the data taken to the whole line and standardised,

    log p(x) = log N(z; 0, I) + log |det df/dy| + log |det dy/dx|    (Dinh et al. 2017, eq. 3).

The transforms are zuko's. They work on vectors; an image is read row by row.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from zuko.flows import GeneralCouplingTransform, MaskedAutoregressiveTransform
from zuko.lazy import LazyComposedTransform, LazyTransform
from zuko.transforms import MonotonicRQSTransform

from fmbench.api import Batch, CountedNetwork, LikelihoodSettings, LogDensity, Method, Preparation, Sampler, Task

from .logit import Logit

CONSTANT = 1e-5  # a deviation below it is that of a coordinate that never varies, up to the rounding of its mean


class ExactFlow(Method):
    """An invertible map f between data and N(0, I), trained by maximum likelihood.

    Bounded data pass through a logit; then each coordinate is shifted and scaled by the mean and deviation of the
    training split, both being part of the density.

    Args:
        task: the shape, the size and the bounds of the data.
        prior_std: deviation s of the Gaussian prior N(0, s^2) of every weight w of the conditioner networks. What is
            descended is then -log p(w | data) / (N d), that is, -log p(x) / d plus |w|^2 / (2 s^2 N d) for N training
            points: without it, a thousand images are learnt by heart.
    """

    shares_batch = True

    def __init__(self, task: Task, prior_std: float) -> None:
        super().__init__(task)
        self.prior_std = prior_std
        if task.dimension < 2:
            raise ValueError(f"{type(self).__name__}: data of shape {task.shape}; at least 2 coordinates are needed")
        self.logit = Logit(task.bounds)
        self.register_buffer("mean", torch.zeros(task.shape))
        self.register_buffer("deviation", torch.ones(task.shape))

    @abstractmethod
    def encode(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """z = f(y), (n, d), and log |det df/dy|, (n,), of y (n, *shape)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """y = f^-1(z), (n, *shape), of z (n, d)."""

    def prepare(self, preparation: Preparation) -> None:
        """Set the mean and the deviation of each coordinate; one that never varies keeps its scale."""
        y, _ = self.logit.forward(preparation.x)
        deviation = y.std(dim=0)
        self.mean.copy_(y.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > CONSTANT, deviation, torch.ones_like(deviation)))

    def loss(self, batch: Batch) -> Tensor:
        """-log p(x) / d, the mean over the batch, in nats; in training, with the prior's share."""
        fit = -self._log_prob(batch.mine(batch.x)).mean() / self.task.dimension
        return fit + self._prior() if self.training else fit

    def _prior(self) -> Tensor:
        """|w|^2 / (2 s^2 N d)."""
        conditioners = [part for part in self.modules() if isinstance(part, CountedNetwork)]
        squares = torch.stack([weight.square().sum() for part in conditioners for weight in part.parameters()])
        return squares.sum() / (2 * self.prior_std**2 * self.task.size * self.task.dimension)

    @torch.no_grad()
    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: torch.Generator) -> LogDensity:
        """The exact log-density of x (n, *shape), nats."""
        del settings, generator
        return LogDensity(self._log_prob(x).double())

    @torch.no_grad()
    def sample(self, n: int, settings: Sampler, generator: torch.Generator) -> Tensor:
        """f^-1 of n draws of N(0, I), (n, *shape)."""
        del settings
        z = torch.randn(n, self.task.dimension, generator=generator, device=generator.device, dtype=torch.float64)
        y = self.decode(z.to(self._dtype)).double()
        return self.logit.inverse(self.mean + self.deviation * y)

    def _log_prob(self, x: Tensor) -> Tensor:
        y, log_det = self.logit.forward(x)
        y = (y - self.mean) / self.deviation
        z, log_det_flow = self.encode(y.to(self._dtype))
        base = -0.5 * (z.square().sum(dim=1) + self.task.dimension * math.log(2 * math.pi))
        return base + log_det_flow + log_det - self.deviation.log().sum()

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


class ZukoFlow(ExactFlow):
    """A chain of zuko's transforms of vectors, each the identity at the start.

    Each has a conditioner network of its own; a call of one of the k counts 1/k, so one pass through all counts one.

    Args:
        task: the shape, the size and the bounds of the data.
        prior_std: as of every `ExactFlow`.
        transforms: k, their number.
        build: makes the i-th of them, i = 0, 1, ...; its last layer is set to zero.
    """

    def __init__(self, task: Task, prior_std: float, transforms: int, build: Callable[[int], LazyTransform]) -> None:
        super().__init__(task, prior_std)
        chain = [build(index) for index in range(transforms)]
        for transform in chain:
            nn.init.zeros_(transform.hyper[-1].weight)
            nn.init.zeros_(transform.hyper[-1].bias)
            transform.hyper = CountedNetwork(transform.hyper, share=1 / transforms)
        self.transforms = LazyComposedTransform(*chain)

    def encode(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The transforms in turn."""
        z, log_det = self.transforms().call_and_ladj(y.flatten(1))
        return z, log_det

    def decode(self, z: Tensor) -> Tensor:
        """Their inverses, the last first."""
        y: Tensor = self.transforms().inv(z)
        return y.unflatten(1, self.task.shape)


def coupling_mask(dimension: int, index: int) -> Tensor:
    """The coordinates that the index-th coupling leaves as they are, (d,), bool.

    Two couplings in a row split the coordinates by one bit of their number, each transforming the other's half; the
    next two take the next bit, so that any two coordinates are told apart by some pair.
    """
    bits = (dimension - 1).bit_length()
    return (torch.arange(dimension) >> (index // 2 % bits)) % 2 == index % 2


class RealNVP(ZukoFlow):
    """Affine couplings: y_b = x_b exp(s(x_a)) + t(x_a), y_a = x_a (Dinh et al. 2017, eq. 7).

    Without the batch normalisation of the paper, so that the density of a point does not depend on its batch.
    """

    def __init__(self, task: Task, *, transforms: int, width: int, depth: int, prior_std: float) -> None:
        def build(index: int) -> LazyTransform:
            mask = coupling_mask(task.dimension, index)
            return GeneralCouplingTransform(task.dimension, mask=mask, hidden_features=[width] * depth)

        super().__init__(task, prior_std, transforms, build)


class NSF(ZukoFlow):
    """Couplings by monotonic rational-quadratic splines, RQ-NSF (C) of Durkan et al. 2019.

    Each is the identity outside [-5, 5] deviations of the data. The halves alternate instead of passing through the
    paper's linear maps.
    """

    def __init__(self, task: Task, *, transforms: int, width: int, depth: int, bins: int, prior_std: float) -> None:
        def build(index: int) -> LazyTransform:
            return GeneralCouplingTransform(
                task.dimension,
                mask=coupling_mask(task.dimension, index),
                univariate=MonotonicRQSTransform,
                shapes=[(bins,), (bins,), (bins - 1,)],  # widths, heights, slopes at the inner knots
                hidden_features=[width] * depth,
            )

        super().__init__(task, prior_std, transforms, build)


class MAF(ZukoFlow):
    """Affine autoregressive maps z_i = x_i exp(a_i(x_<i)) + b_i(x_<i) (Papamakarios et al. 2017, eq. 4 and 5).

    One pass gives the density; the inverse takes d. The order of the coordinates is reversed from one to the next.
    Without the paper's batch normalisation, as `RealNVP`.
    """

    def __init__(self, task: Task, *, transforms: int, width: int, depth: int, prior_std: float) -> None:
        def build(index: int) -> LazyTransform:
            order = torch.arange(task.dimension)
            order = order if index % 2 == 0 else order.flip(0)
            return MaskedAutoregressiveTransform(task.dimension, order=order, hidden_features=[width] * depth)

        super().__init__(task, prior_std, transforms, build)

    def decode(self, z: Tensor) -> Tensor:
        """The inverses, in double precision.

        A coordinate enters the shift and the scale of all later ones: of some draws the last ones of an image are
        beyond float32, which the logit takes to its bounds, and differences of infinities to none.
        """
        precision = self._dtype
        self.transforms.double()  # and back, which gives the same weights
        try:
            return super().decode(z.double())
        finally:
            self.transforms.to(precision)
