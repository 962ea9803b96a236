"""A stranger's parts of which each breaks one rule of docs/plugins.md; the test says what is to come of each."""

import math
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from fmbench.api import (
    Dataset,
    DatasetSpec,
    FlowMethod,
    GaussianPathMethod,
    Levels,
    LogDensity,
    MethodSpec,
    NetworkSpec,
    Option,
    Standardise,
    hookimpl,
    paths,
)


def images(levels):
    """Draw 240 images of 8 x 8 pixels with a slope of a random strength."""
    generator = torch.Generator().manual_seed(3)
    slope = torch.linspace(0, 0.9, 8)[:, None] * torch.linspace(0, 1, 8)
    strength = torch.rand(240, 1, 1, 1, generator=generator)
    return ((strength * slope + 0.09 * torch.rand(240, 1, 8, 8, generator=generator)) * levels).floor()


def floats():
    """Pixels in [0, 1] under a transform of levels."""
    x = images(256) / 255
    return Dataset("floats", x[:200], x[200:], Levels(256))


def deep():
    """More levels than a byte has."""
    x = images(4096).to(torch.int16)
    return Dataset("deep", x[:200], x[200:], Levels(4096))


def holes():
    """A NaN among the held-out points."""
    x = torch.randn(240, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[217, 1] = math.nan
    return Dataset("holes", x[:200], x[200:], Standardise((0.0, 0.0, 0.0), 1.0))


def unlabelled():
    """No labels, where the spec says ten classes."""
    x = images(17).to(torch.uint8)
    return Dataset("unlabelled", x[:200], x[200:], Levels(17))


def scarce():
    """Four held-out digits."""
    x = torch.from_numpy(load_digits().images).to(torch.uint8)[:, None]
    return Dataset("scarce", x[:1500], x[1500:1504], Levels(17))


class Joined(nn.Module):
    """Time as one more column of the input."""

    def __init__(self, shape, **_sizes):
        super().__init__()
        self.line = nn.Linear(math.prod(shape) + 1, math.prod(shape))

    def forward(self, t, x):
        """Fails for one time of all points."""
        return self.line(torch.cat([x.flatten(1), t[:, None]], 1)).reshape(x.shape)


class Base(GaussianPathMethod):
    """Flow matching, of which each subclass breaks one thing."""

    path = paths.CondOT()


class Noise(Base):
    """Predicts the noise, which at t = 0 says nothing of the data."""

    predicts = "noise"


class Few(Base):
    """Seven samples, whatever is asked."""

    def sample(self, n, settings, generator):
        """Draw 7."""
        return super().sample(7, settings, generator)


class Whole(Base):
    """Samples that are integers."""

    def sample(self, n, settings, generator):
        """Round."""
        return super().sample(n, settings, generator).long()


class Holed(Base):
    """A sample in four is NaN."""

    def sample(self, n, settings, generator):
        """Put NaN into every fourth."""
        x = super().sample(n, settings, generator)
        x[::4] = math.nan
        return x


class Boast(Base):
    """A log-density that no density has."""

    def log_prob(self, x, settings, generator):
        """Five nats everywhere."""
        return LogDensity(torch.full((len(x),), 5.0, dtype=torch.float64))


class Short(Base):
    """Log-densities of some of the points."""

    def log_prob(self, x, settings, generator):
        """Leave one out."""
        return LogDensity(torch.zeros(len(x) - 1, dtype=torch.float64))


class Rows(Base):
    """A loss for each point."""

    def loss(self, batch):
        """Give one number per point."""
        return super().loss(batch) * torch.ones(len(batch.x))


class Gambles(Base):
    """Draws from the generators that belong to nobody: NumPy's, Python's and torch's."""

    def pairs(self, batch):
        """Noise by NumPy, scaled by Python."""
        noise = torch.from_numpy(np.random.randn(*batch.x.shape)).float() * (0.9 + random.random() / 5)
        return noise, batch.x

    def sample(self, n, settings, generator):
        """Samples with more noise."""
        more = np.random.randn(n, *self.task.shape) * random.random() + torch.randn(n, *self.task.shape).numpy()
        return super().sample(n, settings, generator) + 0.1 * torch.from_numpy(more)


class Penalised(Base):
    """A loss that asks for the gradient of its input, and a frozen copy of the network beside."""

    def __init__(self, task):
        super().__init__(task)
        self.copy = task.build_network().requires_grad_(False)

    def loss(self, batch):
        """Flow matching with a gradient penalty."""
        x = batch.x.requires_grad_()
        (slope,) = torch.autograd.grad(self.network(torch.full((len(x),), 0.5), x).sum(), x, create_graph=True)
        return super().loss(batch) + 1e-3 * slope.square().mean()


class Uncounted(Base):
    """A loss that does not run under whatever watches the operations of torch."""

    def loss(self, batch):
        """Fail there."""
        if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
            raise RuntimeError("watched")
        return super().loss(batch)


class Own(FlowMethod):
    """A network of its own, which nobody counts."""

    def __init__(self, task):
        super().__init__(task)
        self.own = nn.Linear(task.dimension, task.dimension)

    def velocity(self, t, x):
        """Ignore the time."""
        return self.own(x.float()).to(x.dtype)

    def source(self, n, generator):
        """Draw from the standard normal."""
        return torch.randn(n, *self.task.shape, generator=generator, dtype=torch.float64)

    def source_log_prob(self, x):
        """The standard normal's."""
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(1)

    def loss(self, batch):
        """Keep the velocity small."""
        return self.velocity(0, batch.x).square().mean()


@hookimpl
def fmbench_datasets():
    """Those that are refused, and one whose floors cannot be had."""
    kinds = {"holes": "vector"}
    return [
        DatasetSpec(name, f"{__name__}:{name}", kind=kinds.get(name, "image"), classes=10 * (name == "unlabelled"))
        for name in ("floats", "deep", "holes", "unlabelled")
    ] + [DatasetSpec("scarce", f"{__name__}:scarce", kind="image", features="digits-v1")]


@hookimpl
def fmbench_networks():
    """One that fails when it is asked for a sample."""
    sizes = {key: Option(default=8, help="ignored") for key in ("width", "depth", "time_width")}
    return [NetworkSpec("joined", f"{__name__}:Joined", options=sizes)]


@hookimpl
def fmbench_methods():
    """Those that break their contract."""
    classes = ("Noise", "Few", "Whole", "Holed", "Boast", "Short", "Rows", "Gambles", "Penalised", "Uncounted", "Own")
    return [MethodSpec(name.lower(), f"{__name__}:{name}") for name in classes]
