"""Draws a cloud: axes that suit it, markers with their intervals, curves, levels and names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fmbench.report.figures.cloud import DECADE, Cloud, Cost, Dot, logarithmic
from fmbench.report.figures.curves import Curve
from fmbench.report.figures.labels import HALF, Label, extent, in_points, overlaps, place, thin
from fmbench.report.figures.looks import Look, family_handles
from fmbench.report.figures.style import GREY, SMALL
from fmbench.report.figures.subject import Amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MARGIN = 0.06  # of an axis, on each side
FAINT = 0.35
CURVE = "curve of"
LEVEL = (0, (4, 3))  # dashes


def draw_cloud(axes: Axes, cloud: Cloud, cost: Cost, costs: Sequence[Amount]) -> None:
    """All but the names, which wait for the figure's layout.

    Args:
        axes: where to.
        cloud: what.
        cost: along x.
        costs: all that the axis of the cost must hold, other panels' too where they share it.
    """
    scale(axes, "x", costs, cost.ratio)
    scale(axes, "y", cloud.heights)
    for level in cloud.levels:
        axes.axhline(level.value, color=GREY, linewidth=0.7, linestyle=LEVEL, zorder=1, label=level.name)
    for curve, look in cloud.curves:
        draw_curve(axes, curve, look, cloud.dots)
    for dot in cloud.dots:
        axes.errorbar(
            dot.x.mean,
            dot.y.mean,
            xerr=dot.x.interval,
            yerr=dot.y.interval,
            color=dot.look.colour,
            marker=dot.look.marker,
            markeredgecolor="white",
            markeredgewidth=0.4,
            elinewidth=0.8,
            alpha=FAINT if dot.faint else 1.0,
            zorder=3,
            label=dot.label,
        )


def draw_curve(axes: Axes, curve: Curve, look: Look, dots: Sequence[Dot]) -> None:
    """A thin line with the row's marker, and a dotted one from its end to the row's dot."""
    thinly: dict[str, Any] = {"color": look.colour, "linewidth": 0.7, "alpha": 0.7, "zorder": 2}
    axes.plot(
        curve.xs,
        curve.ys,
        linestyle=look.dashes,
        marker=look.marker,
        markersize=2.5,
        markeredgewidth=0,
        label=f"{CURVE} {curve.label}",
        **thinly,
    )
    for dot in dots:
        if dot.label == curve.label:
            axes.plot([curve.xs[-1], dot.x.mean], [curve.ys[-1], dot.y.mean], linestyle=":", **thinly)


def scale(axes: Axes, along: Literal["x", "y"], amounts: Sequence[Amount], ratio: float = DECADE) -> None:
    """Limits that hold every interval; a logarithmic axis where the means span the ratio."""
    means = [amount.mean for amount in amounts]
    ends = [
        *means,
        *(amount.mean + sign * amount.interval for amount in amounts if amount.interval for sign in (-1, 1)),
    ]
    if logarithmic(means, ratio):
        low, high = min(end for end in ends if end > 0), max(ends)
        widen = (high / low) ** MARGIN if high > low else 2.0
        axes.set(**{f"{along}scale": "log", f"{along}lim": (low / widen, high * widen)})
        plain_ticks(axes.xaxis if along == "x" else axes.yaxis, math.log10(high / low))
    else:
        widen = MARGIN * (max(ends) - min(ends)) or abs(max(ends)) or 1.0
        axes.set(**{f"{along}lim": (min(ends) - widen, max(ends) + widen)})


def plain_ticks(axis: Axis, decades: float) -> None:
    """Ticks of a logarithmic axis as plain numbers, the more of each decade the fewer there are."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    if decades < 0.5:
        axis.set_major_locator(MaxNLocator(5))
        axis.set_minor_locator(NullLocator())
    else:
        within = (1, 1.5, 2, 3, 4, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
        axis.set_major_locator(LogLocator(subs=within))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def family_legend(picture: Figure, *clouds: Cloud) -> None:
    """Above the axes, which colour is whose."""
    from matplotlib.lines import Line2D

    handles = family_handles(dot.look for cloud in clouds for dot in cloud.dots)
    if any(cloud.levels for cloud in clouds):
        handles.append(Line2D([], [], color=GREY, linewidth=0.7, linestyle=LEVEL, label="controls and real data"))
    picture.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.4, columnspacing=1.2)


def name_all(axes: Axes, cloud: Cloud) -> None:
    """Labels beside the dots of a settled figure, and names along the levels; both keep clear of lines and bars."""
    lines = np.concatenate([thin(stroke) for stroke in strokes(axes)])
    names = write_names(axes, cloud, lines)
    labels = [Label(dot.label, dot.x.mean, dot.y.mean, GREY if dot.faint else "#202020") for dot in cloud.dots]
    place(axes, labels, np.concatenate([names, lines]))


def strokes(axes: Axes) -> Iterable[np.ndarray]:
    """Every line that is drawn, those of intervals and levels too: its points (n, 2), in points of 1/72 inch."""
    from matplotlib.collections import LineCollection

    unit = 72 / axes.figure.dpi
    low, high = axes.bbox.get_points() * unit  # a bar that crosses zero on a logarithmic axis ends nowhere
    for line in axes.lines:
        yield np.clip(line.get_transform().transform(np.asarray(line.get_xydata())) * unit, low, high)
    for bars in axes.findobj(LineCollection):
        for segment in bars.get_segments():
            yield np.clip(in_points(axes, segment), low, high)


def write_names(axes: Axes, cloud: Cloud, lines: np.ndarray) -> np.ndarray:
    """The names of levels at the end of theirs, clear of dots, names and boxes of lines (m, 4); their boxes (n, 4)."""
    (left, _), (right, _) = axes.bbox.get_points() * 72 / axes.figure.dpi
    dotted = in_points(axes, np.array([(dot.x.mean, dot.y.mean) for dot in cloud.dots]))
    taken = np.concatenate([lines, np.concatenate([dotted - HALF, dotted + HALF], axis=1)])
    for level in cloud.levels:
        width, height = extent(level.name)
        y = in_points(axes, np.array([(axes.get_xlim()[0], level.value)]))[0, 1]
        places = [(x, y + up) for up in (1.5, -1.5 - height) for x in (right - width, left + 2)]
        boxes = np.array([(x, low, x + width, low + height) for x, low in places])
        best = int(overlaps(boxes, taken).sum(1).argmin())
        axes.annotate(
            level.name,
            xy=places[best],
            xycoords="figure points",
            fontsize=SMALL,
            color=GREY,
            va="bottom",
            parse_math=False,
            annotation_clip=False,
        )
        taken = np.concatenate([taken, boxes[best : best + 1]])
    return taken[len(lines) + len(dotted) :]
