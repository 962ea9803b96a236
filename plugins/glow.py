"""Glow: Kingma & Dhariwal 2018. Multiscale affine couplings with actnorm and invertible 1x1 convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pixel_shuffle, pixel_unshuffle

from fmbench.api import CountedNetwork, Preparation, Task

from .catalogue.flows import glow_misfit
from .normalizing_flows import ExactFlow

Mapped = tuple[Tensor, Tensor]  # (n, c, h, w) and log |det|, (n,)


class Glow(ExactFlow):
    """`levels` times: squeeze, `steps` steps of flow, split half of the channels off (section 3, figure 2b).

    What is split off, and what is left at the end, is z, of standard Gaussian density.

    Args:
        task: the shape of the data.
        levels: L of the paper; both sides of an image must be multiples of 2^levels.
        steps: K of the paper, the steps of flow of each level.
        width: channels of the hidden layers of each coupling.
        prior_std: as of every `ExactFlow`.
    """

    def __init__(self, task: Task, *, levels: int, steps: int, width: int, prior_std: float) -> None:
        super().__init__(task, prior_std)
        channels, height, across = task.shape
        misfit = glow_misfit({"levels": levels}, task.shape)
        if misfit:
            raise ValueError(misfit)
        share = 1 / (levels * steps)
        self.levels = nn.ModuleList()
        self.parts: list[tuple[int, ...]] = []  # shape of what each level adds to z
        for level in range(levels):
            channels, height, across = 4 * channels, height // 2, across // 2
            self.levels.append(nn.ModuleList(FlowStep(channels, width, share) for _ in range(steps)))
            kept = channels // 2 if level + 1 < levels else 0
            self.parts.append((channels - kept, height, across))
            channels = kept

    def prepare(self, preparation: Preparation) -> None:
        """Standardise the data, then initialise each actnorm by a batch of them (section 3.1)."""
        super().prepare(preparation)
        x, size = preparation.x, (preparation.batch_size,)
        chosen = torch.randint(len(x), size, generator=preparation.generator, device=x.device)
        with torch.no_grad():
            y, _ = self.logit.forward(x[chosen])
            self._walk((y - self.mean) / self.deviation, FlowStep.initialise)

    def encode(self, y: Tensor) -> Mapped:
        """The levels, the finest first; z holds what each gives, in turn."""
        return self._walk(y, FlowStep.forward)

    def _walk(self, y: Tensor, visit: Callable[[FlowStep, Tensor], Mapped]) -> Mapped:
        h, log_det, z = y, y.new_zeros(len(y)), []
        for level, part in zip(self.levels, self.parts, strict=True):
            h = pixel_unshuffle(h, 2)
            for step in level:
                h, change = visit(step, h)
                log_det = log_det + change
            z.append(h[:, : part[0]].flatten(1))
            h = h[:, part[0] :]
        return torch.cat(z, dim=1), log_det

    def decode(self, z: Tensor) -> Tensor:
        """The levels backwards, each taking back what it gave."""
        pieces = z.split([math.prod(part) for part in self.parts], dim=1)
        _, height, across = self.parts[-1]
        h = z.new_zeros(len(z), 0, height, across)
        for level, part, piece in reversed(list(zip(self.levels, self.parts, pieces, strict=True))):
            h = torch.cat([piece.unflatten(1, part), h], dim=1)
            for step in reversed(level):
                h = step.inverse(h)
            h = pixel_shuffle(h, 2)
        return h


class FlowStep(nn.Module):
    """Actnorm, a 1x1 convolution, a coupling (table 1), of (n, c, h, w) with at least two channels."""

    def __init__(self, channels: int, width: int, share: float) -> None:
        super().__init__()
        self.parts = nn.ModuleList([ActNorm(channels), Rotation(channels), Coupling(channels, width, share)])

    def forward(self, x: Tensor) -> Mapped:
        """The three in turn."""
        log_det = x.new_zeros(len(x))
        for part in self.parts:
            x, change = part(x)
            log_det = log_det + change
        return x, log_det

    def initialise(self, x: Tensor) -> Mapped:
        """Set the actnorm by x, then map it."""
        self.parts[0].initialise(x)
        return self(x)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo the three, the last first."""
        for part in reversed(self.parts):
            y = part.inverse(y)
        return y


class ActNorm(nn.Module):
    """y = exp(s) (x + b), a scale and a bias for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Give the channels of y mean 0 and variance 1 over the points and pixels of x."""
        self.bias.copy_(-x.mean(dim=(0, 2, 3))[:, None, None])
        self.log_scale.copy_(-x.std(dim=(0, 2, 3)).clamp_min(1e-6).log()[:, None, None])

    def forward(self, x: Tensor) -> Mapped:
        """Y; log |det| = h w sum(s)."""
        log_det = x.shape[2] * x.shape[3] * self.log_scale.sum()
        return self.log_scale.exp() * (x + self.bias), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """x = exp(-s) y - b."""
        return (-self.log_scale).exp() * y - self.bias


class Rotation(nn.Module):
    """An invertible 1x1 convolution, y = W x at every pixel (section 3.2); W starts as a random rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        orthogonal, _ = torch.linalg.qr(torch.randn(channels, channels))
        self.weight = nn.Parameter(orthogonal.contiguous())

    def forward(self, x: Tensor) -> Mapped:
        """Y; log |det| = h w log |det W| (eq. 9)."""
        log_det = x.shape[2] * x.shape[3] * torch.linalg.slogdet(self.weight).logabsdet
        return (self.weight @ x.flatten(2)).view_as(x), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """x = W^-1 y; the matrix is small, and inverted in double precision."""
        inverse = torch.linalg.inv(self.weight.double()).to(y.dtype)
        return (inverse @ y.flatten(2)).view_as(y)


class Coupling(nn.Module):
    """y_a = x_a, y_b = exp(s) (x_b + t) with s = log sigmoid(r + 2) and (r, t) = NN(x_a).

    The network is two hidden layers and a last one that starts at zero (section 3.3).
    """

    def __init__(self, channels: int, width: int, share: float) -> None:
        super().__init__()
        self.sizes = (channels // 2, channels - channels // 2)
        last = nn.Conv2d(width, 2 * self.sizes[1], 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        hidden = [nn.Conv2d(self.sizes[0], width, 3, padding=1), nn.ReLU()]
        hidden += [nn.Conv2d(width, width, 1), nn.ReLU()]
        self.network = CountedNetwork(nn.Sequential(*hidden, last), share=share)

    def forward(self, x: Tensor) -> Mapped:
        """Y; log |det| is the sum of s."""
        a, b = x.split(self.sizes, dim=1)
        log_scale, shift = self._parameters_of(a)
        return torch.cat([a, log_scale.exp() * (b + shift)], dim=1), log_scale.flatten(1).sum(dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """x_b = exp(-s) y_b - t."""
        a, b = y.split(self.sizes, dim=1)
        log_scale, shift = self._parameters_of(a)
        return torch.cat([a, (-log_scale).exp() * b - shift], dim=1)

    def _parameters_of(self, a: Tensor) -> Mapped:
        raw, shift = self.network(a).chunk(2, dim=1)
        return logsigmoid(raw + 2), shift
