"""FID (of points: W2) against the number of network evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fmbench.report.figures.cloud import COSTS, Cloud
from fmbench.report.figures.curves import Curve, curves_of
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.labels import settle
from fmbench.report.figures.scatter import draw_cloud, family_legend, name_all
from fmbench.report.figures.style import caption, figure
from fmbench.report.figures.subject import Subject, axis_label, mean_over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST = COSTS["nfe"]


def nfe(order: Order) -> Figure:
    """Every row's headline point, and the curve of a fixed-step solver where that was measured.

    Raises:
        FmbenchError: nothing was measured that it could show.
    """
    subject = Subject.of(order)
    column = subject.column(order.number or subject.quality())
    curves = curves_of(order, subject, column, "nfe-10pct", "nfe")
    cloud = Cloud.of(subject, column, COST, curves)
    with figure(height=5.6 if cloud.curves else 4.4) as picture:
        axes = picture.subplots()
        axes.set(xlabel=COST.label, ylabel=axis_label(column))
        draw_cloud(axes, cloud, COST, cloud.costs)
        family_legend(picture, cloud)
        caption(picture, *subject.sentences([column]), *cloud.sentences(COST, column), about(curves))
        settle(picture)
        name_all(axes, cloud)
    return picture


def about(curves: Sequence[Curve]) -> str:
    """What the caption says of the lines; nothing where there are none."""
    if not curves:
        return ""
    solvers = ", ".join(sorted({curve.solver for curve in curves}))
    seeds = mean_over([curve.seeds for curve in curves])
    return f"Lines: fixed steps ({solvers}), {seeds}; large markers: the headline sampler."
