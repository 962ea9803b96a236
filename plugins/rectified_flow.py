"""Rectified flow: Liu et al. 2023."""

from __future__ import annotations

import torch
from torch import Tensor

from fmbench.api import Batch, GaussianPathMethod, Preparation, Sampler, Task, paths


class RectifiedFlow(GaussianPathMethod):
    """x_t = t x1 + (1 - t) x0, regressed on u = x1 - x0 (eq. 1)."""

    path = paths.Linear()
    predicts = "velocity"


class Reflow(RectifiedFlow):
    """Trained on pairs (z, what the teacher's flow makes of z) instead of data: section 2.2, "2-rectified flow".

    The teacher is a rectified flow of the same budget with its averaged weights. Its training and the drawing of the
    pairs are charged to this method.

    Args:
        task: the shape and scale of the data, and the shared network.
        pairs: how many.
        solver_steps: steps of Heun's method by which the teacher draws them, two calls each.
    """

    def __init__(self, task: Task, *, pairs: int, solver_steps: int) -> None:
        super().__init__(task)
        self.count = pairs
        self.settings = Sampler(name="heun", steps=solver_steps)
        self.noise, self.image = torch.empty(0), torch.empty(0)

    def prepare(self, preparation: Preparation) -> None:
        """Draw the pairs; only the loss needs them, so no checkpoint carries them."""
        teacher = preparation.teacher
        if not isinstance(teacher, RectifiedFlow):
            raise TypeError(f"reflow needs a rectified flow as its teacher, not {type(teacher).__name__}")
        noise, image, block = [], [], preparation.batch_size
        for start in range(0, self.count, block):
            z = teacher.source(min(block, self.count - start), preparation.generator)
            noise.append(z.float())
            image.append(teacher.carry(z, self.settings, preparation.generator).float())
        self.noise, self.image = torch.cat(noise), torch.cat(image)

    def pairs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """As many pairs as the batch has points."""
        n = len(batch.x)
        chosen = torch.randint(0, self.count, (n,), generator=batch.generator, device=batch.x.device)
        return self.noise[chosen], self.image[chosen]
