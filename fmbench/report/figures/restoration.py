"""What is given, what methods draw beside it, and what it is of: a column per method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.samples import dataset_of_run, sets_of, show
from fmbench.report.figures.style import SMALL, WIDTH, caption, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 8  # test images


def restoration(order: Order) -> Figure:
    """The first test images: given, by each configuration, and true.

    Raises:
        FmbenchError: there are no samples, or nothing is given beside the points of the dataset.
    """
    import torch

    found = sets_of(order)
    dataset = dataset_of_run(found[0].run, order)
    if dataset.given is None:
        raise FmbenchError(f"nothing is given beside the points of {order.dataset!r}: fmbench plot samples shows them")
    truth = dataset.test[:SHOWN]
    given = dataset.transform.decode(dataset.given(truth).double())
    factor = truth.shape[3] // given.shape[3]
    blocks = given.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    drawn = [(sample_set.name, torch.from_numpy(sample_set.load()[:SHOWN])) for sample_set in found]
    columns = [("given", blocks), *drawn, ("true", truth)]
    with figure(height=SHOWN * WIDTH / max(len(columns), 8) + 0.5) as picture:
        axes = picture.subplots(1, len(columns), squeeze=False)[0]
        for axis, (name, images) in zip(axes, columns, strict=True):
            axis.set_axis_off()
            show(axis, images.numpy().astype(np.uint8), 1)
            axis.set_title(name, fontsize=SMALL, pad=2, parse_math=False)
        caption(
            picture, f"{order.dataset}: the first test images as they are given, as each method draws them, and true."
        )
    return picture
