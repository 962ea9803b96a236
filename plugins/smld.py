"""Score matching with Langevin dynamics: Song and Ermon 2019 (NCSN) and 2020 (NCSNv2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from fmbench.api import GaussianPathMethod, Task, paths


@dataclass(frozen=True)
class Ladder(paths.VE):
    """The variance-exploding path at a finite number of noise levels: Song and Ermon 2019, section 4.1.

    Level i of L has t = i / (L - 1): a geometric sequence from sigma_max to sigma_min.
    """

    count: int = 20
    t_max: float = 1.0

    def sample_time(self, n: int, generator: Generator) -> Tensor:
        """One of the levels, uniformly."""
        level = torch.randint(0, self.count, (n,), generator=generator, device=generator.device)
        return level.double() / (self.count - 1)

    def levels(self, n: int) -> Tensor:
        """N of the levels, evenly chosen, both ends among them.

        Raises:
            FmbenchError: there are fewer.
        """
        paths.require("sampler.steps", n, 2 <= n <= self.count, f"from 2 to options.smld.levels = {self.count}")
        return torch.linspace(0, self.count - 1, n, dtype=torch.float64).round() / (self.count - 1)


class SMLD(GaussianPathMethod):
    """The score at L noise levels, lambda = sigma^2 (2019, eq. 6); annealed Langevin samples it (algorithm 1).

    Args:
        task: the shape and scale of the data, and the shared network.
        levels: L.
        sigma_min: the last noise level.
        sigma_max: the first; about the largest distance between two training points (2020, technique 1).
        conditioning: "level", the network is told its noise level, or "scale", the same unconditional network at
            every level, its output divided by sigma (2020, technique 3).
    """

    predicts = "score"

    def __init__(self, task: Task, *, levels: int, sigma_min: float, sigma_max: float, conditioning: str) -> None:
        super().__init__(task, path=Ladder(sigma_min, sigma_max, count=levels))
        self.conditioning = conditioning

    def network_time(self, t: Tensor) -> Tensor:
        """The level, or nothing."""
        return torch.zeros_like(t) if self.conditioning == "scale" else t
