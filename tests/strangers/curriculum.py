"""A stranger's curriculum: times near the noise first, all of them when half of the budget is spent."""

import torch

from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths

SEEN = []


class Curriculum(GaussianPathMethod):
    """Flow matching whose times lie below 2 (progress + 1/2) of the range; notes what it is told."""

    path = paths.CondOT(sigma_min=1e-4)
    widest = 0.0

    def loss(self, batch):
        """The usual loss at the times of the curriculum."""
        SEEN.append((batch.step, batch.progress))
        self.widest = min(1.0, batch.progress + 0.5)
        return super().loss(batch)

    def sample_time(self, n, generator):
        """Draw times, (n,), float64."""
        return self.widest * torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device)


@hookimpl
def fmbench_methods():
    return [MethodSpec("curriculum", f"{__name__}:Curriculum", "noise first")]
