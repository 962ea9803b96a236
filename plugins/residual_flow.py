"""Invertible residual networks: Behrmann et al. 2019, and residual flows: Chen et al. 2019.

A block is f(x) = x + g(x) with Lip(g) <= coeff < 1, so it is invertible and log |det f'| = log det(I + J), J = dg/dx,
is the power series sum_k (-1)^(k+1) tr(J^k) / k. The two papers differ in how they end that series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from fmbench.api import Batch, CountedNetwork, LikelihoodSettings, LogDensity, Method, Preparation, Sampler, Task

from .logit import Logit

POWER_ITERATIONS = 2  # a training step; the start is the last step's vector
TEST_TERMS = 20  # computed for certain at evaluation (Chen et al. 2019, section 3.1)
INVERSE_TOLERANCE = 1e-6  # a fixed point is found when no coordinate moves by more, relative to its size
INVERSE_ITERATIONS = 2000  # a guard: 0.99^2000 is below the rounding of float32


class SpectralLinear(nn.Linear):
    """A linear layer whose matrix is scaled down to a spectral norm of at most `bound` (Behrmann et al. 2019, eq. 3).

    Training takes the norm from power iteration, whose vector is kept between the steps and moves in `advance` alone.
    In evaluation mode the averaged weights are in place. The vector is not theirs, and the norm along it would be too
    small for the bound to hold: there it is that of a singular value decomposition.
    """

    def __init__(self, inputs: int, outputs: int, bound: float, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs)
        self.bound = bound
        nn.init.orthogonal_(self.weight, gain)
        nn.init.uniform_(self.bias, -1.0, 1.0)
        self.register_buffer("right", nn.functional.normalize(torch.randn(inputs), dim=0))
        self.advance(50)

    @torch.no_grad()
    def advance(self, iterations: int) -> None:
        """Power iteration towards the first right singular vector."""
        for _ in range(iterations):
            self.right.copy_(nn.functional.normalize(self.weight.T @ (self.weight @ self.right), dim=0))

    def matrix(self) -> Tensor:
        """The scaled matrix, (outputs, inputs)."""
        if self.training:
            norm = torch.linalg.vector_norm(self.weight @ self.right.clone())  # `advance` comes before backward
        else:
            norm = torch.linalg.matrix_norm(self.weight, 2)
        return self.weight * (self.bound / norm).clamp(max=1.0)


@dataclass(frozen=True)
class Tangent:
    """The Jacobian J = after diag(slope) before of a residual network, as its factors, at n points.

    The matrices are (width, d) and (d, width), the slope (n, width).
    """

    before: Tensor
    slope: Tensor
    after: Tensor

    def push(self, v: Tensor) -> Tensor:
        """J v for v (..., n, d)."""
        return ((v @ self.before.T) * self.slope) @ self.after.T

    def pull(self, u: Tensor) -> Tensor:
        """J^T u for u (..., n, d)."""
        return ((u @ self.after) * self.slope) @ self.before

    def dense(self) -> Tensor:
        """J itself, (n, d, d)."""
        return (self.after * self.slope[:, None]) @ self.before


class LipschitzMLP(nn.Module):
    """G: two linear layers with LipSwish, x sigmoid(b x) / 1.1, between them (Chen et al. 2019, section 3.3).

    The slope of x sigmoid(b x) is below 1.1 for every b, so the spectral norms bound Lip(g); each layer takes an
    equal part of `coeff`. The sharpness b is learnt, and kept in the matrices on either side of the activation, which
    is then a plain swish: small matrices are cheaper to scale than activations.
    """

    def __init__(self, dimension: int, width: int, coeff: float) -> None:
        super().__init__()
        self.first = SpectralLinear(dimension, width, math.sqrt(coeff))
        self.second = SpectralLinear(width, dimension, math.sqrt(coeff), gain=0.1)  # blocks start near the identity
        # A matrix of norm one that widens makes each unit's input small; a sharper activation still bends there.
        self.log_sharpness = nn.Parameter(torch.tensor([math.log(2 * math.sqrt(max(1, width / dimension)))]))
        nn.init.zeros_(self.second.bias)

    def matrices(self) -> tuple[Tensor, Tensor]:
        """The scaled matrices; each costs a norm, so callers that evaluate g repeatedly ask once."""
        sharpness = self.log_sharpness.exp()
        return self.first.matrix() * sharpness, self.second.matrix() / (1.1 * sharpness)

    def forward(self, x: Tensor, matrices: tuple[Tensor, Tensor], slopes: list[Tensor] | None = None) -> Tensor:
        """Compute g(x) for x (n, d); the slope of the swish is appended to `slopes`."""
        x = nn.functional.linear(x, matrices[0], self.first.bias)
        gate = x.sigmoid()
        x = x * gate
        if slopes is not None:
            slopes.append(torch.addcmul(x + gate, x, gate, value=-1))
        return nn.functional.linear(x, matrices[1], self.second.bias)


class ActNorm(nn.Module):
    """y = exp(scale) x + shift by coordinate (Kingma & Dhariwal 2018, section 3.1)."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.zeros(dimension)), nn.Parameter(torch.zeros(dimension))

    def forward(self, x: Tensor) -> Tensor:
        """Y, shaped as x (n, d); log |det dy/dx| is the sum of `scale`."""
        return x * self.scale.exp() + self.shift

    def inverse(self, y: Tensor) -> Tensor:
        """Invert: x of y."""
        return (y - self.shift) * (-self.scale).exp()

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Give the outputs of x (n, d) zero mean and unit deviation."""
        self.scale.copy_(-x.std(dim=0).clamp(min=1e-3).log())
        self.shift.copy_(-x.mean(dim=0) * self.scale.exp())


class Block(nn.Module):
    """The map f(x) = x + g(x), after an ActNorm; a call of g counts `share`."""

    def __init__(self, g: LipschitzMLP, dimension: int, share: float) -> None:
        super().__init__()
        self.norm, self.g = ActNorm(dimension), CountedNetwork(g, share)

    def forward(self, x: Tensor) -> tuple[Tensor, Tangent]:
        """Compute y of x (n, d), and the Jacobian of g."""
        x = self.norm(x)
        before, after = self.g.network.matrices()
        slopes: list[Tensor] = []
        return x + self.g(x, (before, after), slopes), Tangent(before, *slopes, after)

    def inverse(self, y: Tensor) -> Tensor:
        """Invert: x of y (n, d), the fixed point of x = y - g(x) (Behrmann et al. 2019, algorithm 1)."""
        matrices = self.g.network.matrices()
        x, moving = y.clone(), torch.arange(len(y), device=y.device)
        for _ in range(INVERSE_ITERATIONS):
            old = x[moving]
            new = y[moving] - self.g(old, matrices)
            x[moving] = new
            moving = moving[((new - old).abs() > INVERSE_TOLERANCE * (1 + new.abs())).any(dim=1)]
            if not len(moving):  # points that have come to rest leave the iteration
                break
        return self.norm.inverse(x)


def series(tangent: Tangent, probes: Tensor, weights: Tensor) -> Tensor:
    """sum_k w_k (-1)^(k+1) v^T J^k v / k: log det(I + J), (p, n), by p probes, with the gradient of its mean.

    As d tr(J^k) / k = tr(J^(k-1) dJ), the gradient is that of the one product a^T J v, in which
    a = sum_k w_k (-1)^(k-1) (J^T)^(k-1) v is held fixed (Chen et al. 2019, eq. 8): the memory of one term.

    The probes v are (p, n, d); the weights (terms, p or 1, n or 1), zero where a series has ended.
    """
    pushed, powers = tangent.push(probes), [probes]
    with torch.no_grad():
        for _ in weights[1:]:
            powers.append(tangent.pull(powers[-1]))
    k = torch.arange(1, len(weights) + 1, dtype=probes.dtype, device=probes.device)[:, None, None]
    signed, stacked = weights * (2 * (k % 2) - 1), torch.stack(powers)
    adjoint = (signed[..., None] * stacked).sum(dim=0)
    value = (signed / k * (stacked * pushed.detach()).sum(dim=-1)).sum(dim=0)
    differentiable = (adjoint * pushed).sum(dim=-1)
    return value + (differentiable - differentiable.detach())


def roulette_weights(count: tuple[int, int], exact: int, stop: float, generator: Generator) -> Tensor:
    """Russian roulette: w_k = 1{N >= k} / P(N >= k), whose mean is one for every k (Chen et al. 2019, eq. 6).

    `exact` terms are certain; after each further one the series ends with probability `stop`, so that
    P(N >= k) = (1 - stop)^max(0, k - exact). Every one of the `count` series has its own N; (largest N, *count).
    """
    uniform = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)
    lengths = exact + (torch.log1p(-uniform) / math.log1p(-stop)).floor()
    k = torch.arange(1, int(lengths.max()) + 1, device=generator.device, dtype=torch.float64)[:, None, None]
    return (lengths >= k) * (1 - stop) ** (exact - k).clamp(max=0)


class InvertibleResNet(Method):
    """ActNorm and residual blocks from data to a standard normal; the power series is cut after `terms`.

    Points are flattened and g is fully connected. The cut makes the log-density biased, of either sign.
    """

    def __init__(self, task: Task, *, blocks: int, width: int, coeff: float, terms: int) -> None:
        super().__init__(task)
        self.logit, self.terms = Logit(task.bounds), terms
        parts = (LipschitzMLP(task.dimension, width, coeff) for _ in range(blocks))
        self.blocks = nn.ModuleList(Block(g, task.dimension, 1 / blocks) for g in parts)
        self.last = ActNorm(task.dimension)

    def weights(self, count: tuple[int, int], generator: Generator) -> Tensor:
        """Weights of the terms of `count` series, as `series` takes them."""
        return torch.ones(self.terms, *count, device=generator.device)

    def exact_log_det(self, jacobian: Tensor) -> Tensor:
        """Compute what the series estimates, with exact traces: (n,) of J (n, d, d)."""
        power, total = jacobian, jacobian.new_zeros(len(jacobian))
        for k in range(1, self.terms + 1):
            total = total - (-1) ** k / k * power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
            power = power @ jacobian
        return total

    def loss(self, batch: Batch) -> Tensor:
        """-log p(x) in nats a dimension."""
        return -self._log_prob(batch.x, 1, batch.generator).mean() / self.task.dimension

    def before_step(self) -> None:
        """Bring the estimates of the spectral norms up to date (Behrmann et al. 2019, section 2.2).

        Here and not in the loss, which is a function of the state and its batch alone.
        """
        for part in self.modules():
            if isinstance(part, SpectralLinear):
                part.advance(POWER_ITERATIONS)

    def _log_prob(self, x: Tensor, probes: int, generator: Generator) -> Tensor:
        """Log-density of x (n, *shape) by each probe, (probes, n); without probes by the dense Jacobians, (1, n)."""
        x, log_det = self.logit.forward(x)
        x = x.flatten(1).to(self.last.scale.dtype)
        for block in self.blocks:
            log_det = log_det + block.norm.scale.sum()
            x, tangent = block(x)
            if probes:
                weights = self.weights((probes, len(x)), generator).to(x)
                bits = torch.randint(0, 2, (probes, *x.shape), generator=generator, device=x.device)
                log_det = log_det + series(tangent, (2 * bits - 1).to(x), weights)
            else:
                log_det = log_det + self.exact_log_det(tangent.dense())
            if not self.training:
                block.g.count.vjps += block.g.share * (probes * len(weights) if probes else self.task.dimension)
        z = self.last(x)
        log_base = -0.5 * (z.square() + math.log(2 * math.pi)).sum(dim=1)
        return (log_base + log_det + self.last.scale.sum()).expand(max(1, probes), -1)

    @torch.no_grad()
    def prepare(self, preparation: Preparation) -> None:
        """Fit each ActNorm to what a batch of the training data becomes there."""
        data, generator = preparation.x, preparation.generator
        chosen = torch.randperm(len(data), generator=generator, device=generator.device)[: preparation.batch_size]
        x = self.logit.forward(data[chosen])[0].flatten(1)
        for block in self.blocks:
            block.norm.fit(x)
            x, _ = block(x)
        self.last.fit(x)

    def sample(self, n: int, settings: Sampler, generator: Generator) -> Tensor:
        """Draw n points, (n, *shape), float64: the inverse of base noise."""
        del settings
        shape = (n, self.task.dimension)
        return self.inverse(torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64))

    @torch.no_grad()
    def inverse(self, z: Tensor) -> Tensor:
        """Points (n, *shape), float64, of base noise z (n, d)."""
        x = self.last.inverse(z.to(self.last.scale.dtype))
        for block in reversed(self.blocks):
            x = block.inverse(x)
        return self.logit.inverse(x.double()).reshape(len(z), *self.task.shape)

    @torch.no_grad()
    def log_prob(self, x: Tensor, settings: LikelihoodSettings, generator: Generator) -> LogDensity:
        """Log-density of x, (n,), nats; the error is that of the probes."""
        probes = 0 if self.task.dimension <= settings.exact_up_to else settings.probes
        return LogDensity.of(self._log_prob(x, probes, generator).double().T)


class ResidualFlow(InvertibleResNet):
    """The same network with the series ended by Russian roulette, so that the log-density is unbiased."""

    def __init__(self, task: Task, *, roulette: float, **network: float) -> None:
        super().__init__(task, **network)
        self.roulette = roulette

    def weights(self, count: tuple[int, int], generator: Generator) -> Tensor:
        """An own random length for every point and probe."""
        exact = self.terms if self.training else max(self.terms, TEST_TERMS)
        return roulette_weights(count, exact, self.roulette, generator)

    def exact_log_det(self, jacobian: Tensor) -> Tensor:
        """Compute log det(I + J), (n,), of J (n, d, d)."""
        return torch.linalg.slogdet(torch.eye(self.task.dimension).to(jacobian) + jacobian)[1]
