"""Samples beside the training images that come nearest to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.samples import dataset_of_run, sets_of, show
from fmbench.report.figures.style import SMALL, WIDTH, caption, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

PAIRS = 12  # of a set
ACROSS = 3  # panels in a row
HOW = (
    "the first samples (above) and the training image nearest to each (below), by Euclidean distance between pixels, "
    "as in NN ratio."
)


def neighbours(order: Order) -> Figure:
    """A strip a configuration: its first samples above, the nearest training image of each below it.

    The distance is that of `metrics.memorisation`: Euclidean, between raw pixels, over the whole training split.

    Raises:
        FmbenchError: there are no samples, they are no images, or the dataset is unknown here.
    """
    found = sets_of(order)
    drawn = [sample_set.load()[:PAIRS] for sample_set in found]
    if drawn[0].ndim != 4:
        raise FmbenchError(f"{order.dataset!r} has points, not images: fmbench plot samples shows them")
    train = dataset_of_run(found[0].run, order).train
    down = -(-len(found) // ACROSS)
    with figure(height=0.62 * down + 0.5, width=WIDTH) as picture:
        grid = picture.subplots(down, ACROSS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, sample_set, samples in zip(grid.flat, found, drawn, strict=False):
            show(axes, pairs(samples, train), len(samples))
            axes.set_title(sample_set.name, fontsize=SMALL, pad=2, parse_math=False)
        caption(picture, f"{order.dataset}: {HOW}")
    return picture


def pairs(samples: np.ndarray, train: Tensor) -> np.ndarray:
    """Samples (n, channels, height, width), then the training image nearest to each, (2 n, ...)."""
    import torch

    from fmbench.metrics.memorisation import nearest_places

    found = nearest_places(torch.from_numpy(samples), train)
    return np.concatenate([samples, train[found].numpy()])
