"""Quality against cost, and the front of those that nobody beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.specs import Better
from fmbench.report.figures.cloud import COSTS, Cloud, Dot
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.labels import settle
from fmbench.report.figures.scatter import draw_cloud, family_legend, name_all
from fmbench.report.figures.style import caption, figure
from fmbench.report.figures.subject import Subject, axis_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def pareto(order: Order) -> Figure:
    """Rows by quality and cost: those of the front in full colour, the others faint.

    Raises:
        FmbenchError: nothing was measured that it could show, or the number has no better direction.
    """
    name = order.cost or "nfe"
    if name not in COSTS:
        raise unknown("cost", name, COSTS)
    cost = COSTS[name]
    subject = Subject.of(order)
    column = subject.column(order.number or subject.quality())
    better = column.number.better
    if not better:
        raise FmbenchError(f"--number {column.name!r} is better neither high nor low: choose another for a front")
    cloud = Cloud.of(subject, column, cost)
    best = front(cloud.dots, better)
    sentences = [*subject.sentences([column]), *cloud.sentences(cost, column)]
    cloud = replace(cloud, dots=[replace(dot, faint=dot not in best) for dot in cloud.dots])
    with figure(height=4.4) as picture:
        axes = picture.subplots()
        axes.set(xlabel=cost.label, ylabel=axis_label(column))
        draw_cloud(axes, cloud, cost, cloud.costs)
        draw_front(axes, best, better)
        family_legend(picture, cloud)
        caption(picture, *sentences, "Line: the front, of means; faint: who is not on it.")
        settle(picture)
        name_all(axes, cloud)
    return picture


def front(dots: Sequence[Dot], better: Better) -> list[Dot]:
    """The dots that no other beats or equals in both means, the cheapest first; of equals the first."""
    sign = -1 if better == "higher" else 1
    best: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x.mean, sign * dot.y.mean)):
        if not dot.faint and (not best or sign * dot.y.mean < sign * best[-1].y.mean):
            best.append(dot)
    return best


def draw_front(axes: Axes, best: Sequence[Dot], better: Better) -> None:
    """A step line through the front: what is reached for at most so much."""
    worst, most = axes.get_ylim()[better == "lower"], axes.get_xlim()[1]
    turns = [*(dot.x.mean for dot in best for _ in (0, 1)), most]
    heights = [worst, *(dot.y.mean for dot in best for _ in (0, 1))]
    axes.plot(turns, heights, color="#404040", linewidth=0.9, zorder=2, label="front")
