"""FID (of points: W2) and NLL against training time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench.report.figures.cloud import COSTS, Cloud
from fmbench.report.figures.curves import curves_of
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.labels import settle
from fmbench.report.figures.scatter import draw_cloud, family_legend, name_all
from fmbench.report.figures.style import caption, figure
from fmbench.report.figures.subject import Subject, axis_label, mean_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST = COSTS["train-seconds"]
LIKELIHOOD = "nll"
HEIGHT = 3.1  # inches a panel


def cost(order: Order) -> Figure:
    """A panel for the quality of samples and one for the likelihood, where that was measured.

    Raises:
        FmbenchError: nothing was measured that it could show.
    """
    subject = Subject.of(order)
    names = [subject.quality(), *({LIKELIHOOD} & subject.numbers())]
    columns = [subject.column(name) for name in names]
    clouds = [
        Cloud.of(subject, column, COST, curves_of(order, subject, column, "steps-10pct", "seconds"))
        for column in columns
    ]
    with figure(height=HEIGHT * len(columns) + 0.8) as picture:
        panels = picture.subplots(len(columns), sharex=True, squeeze=False)[:, 0]
        costs = [amount for cloud in clouds for amount in cloud.costs]
        for axes, column, cloud in zip(panels, columns, clouds, strict=True):
            axes.set_ylabel(axis_label(column))
            draw_cloud(axes, cloud, COST, costs)
        panels[-1].set_xlabel(COST.label)
        family_legend(picture, *clouds)
        sentences = [
            line for cloud, column in zip(clouds, columns, strict=True) for line in cloud.sentences(COST, column)
        ]
        curves = [curve for cloud in clouds for curve, _ in cloud.curves]
        lines = (
            f"Lines: quality by the weights kept during training, {mean_over([curve.seeds for curve in curves])}."
            if curves
            else ""
        )
        caption(picture, *subject.sentences(columns), *sentences, lines)
        settle(picture)
        for axes, cloud in zip(panels, clouds, strict=True):
            name_all(axes, cloud)
    return picture
