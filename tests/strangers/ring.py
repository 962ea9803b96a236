"""A stranger's dataset: blurred points on a ring of a given number of Gaussians, whose density is known."""

import math

import torch

from fmbench.api import Dataset, DatasetSpec, Density, Option, Standardise, hookimpl


class Ring(Density):
    """An equal mixture of Gaussians of deviation .2 around a circle of radius 3."""

    def __init__(self, spots):
        angles = torch.arange(spots, dtype=torch.float64) * (2 * math.pi / spots)
        self.centres = 3 * torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)
        self.modes, self.mode_radius = self.centres, 0.6
        self.entropy = math.log(spots) + math.log(2 * math.pi * math.e * 0.2**2)

    def sample(self, n, generator):
        """Draw points, (n, 2)."""
        which = torch.randint(0, len(self.centres), (n,), generator=generator)
        return self.centres[which] + 0.2 * torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def log_prob(self, x):
        """Log-density in nats, (n,)."""
        squares = (x[:, None] - self.centres).square().sum(-1) / 0.2**2
        return torch.logsumexp(-0.5 * squares, dim=1) - math.log(len(self.centres) * 2 * math.pi * 0.2**2)


def ring(spots):
    """Draw 2000 points to train on and 500 to test on."""
    law = Ring(spots)
    points = law.sample(2500, torch.Generator().manual_seed(0))
    scale = math.sqrt((9 + 2 * 0.2**2) / 2)
    return Dataset("ring", points[:2000], points[2000:], Standardise((0.0, 0.0), scale), density=law)


@hookimpl
def fmbench_datasets():
    spots = Option(default=5, ge=2, le=8, help="Gaussians on the ring")
    return [
        DatasetSpec("ring", f"{__name__}:ring", "a ring of Gaussians", {"spots": spots}, known_density=True),
    ]
