"""Super-resolution: images, each given at a fraction of its side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import avg_pool2d

from fmbench.data.base import Dataset, Levels
from fmbench.errors import FmbenchError
from fmbench.registry.builtin import fmbench_datasets


@dataclass(frozen=True)
class Shrunk:
    """The mean of each square of pixels, on the nearest of the levels, in model space.

    Args:
        factor: side of a square.
        levels: of the images.
    """

    factor: int
    levels: Levels

    def __call__(self, raw: Tensor) -> Tensor:
        """Levels (n, channels, height, width) -> (n, channels, height / factor, width / factor), float32."""
        return self.levels.centre(avg_pool2d(raw.float(), self.factor).round()).float()


def super_resolution(*, of: str, factor: int) -> Dataset:
    """A dataset whose images are to be drawn beside their small versions.

    Args:
        of: the dataset whose images they are.
        factor: by which the side is shrunk.

    Raises:
        FmbenchError: its sides are no multiples of the factor, or it cannot be had.
    """
    dataset: Dataset = {spec.name: spec for spec in fmbench_datasets()}[of].load()()
    sides, transform = dataset.shape[1:], dataset.transform
    if any(side % factor for side in sides) or not isinstance(transform, Levels):
        raise FmbenchError(f"data.{of}-sr.factor = {factor}: the sides of its images, {sides}, must be multiples of it")
    return replace(dataset, name=f"{of}-sr", given=Shrunk(factor, transform), train_labels=None, test_labels=None)
