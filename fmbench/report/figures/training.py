"""Training curves: the loss by steps, a panel a family."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.cloud import logarithmic
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.looks import DASHES, OTHER
from fmbench.report.figures.scatter import plain_ticks
from fmbench.report.figures.select import names_of, runs_of
from fmbench.report.figures.style import SMALL, WIDTH, caption, figure, palette
from fmbench.report.figures.subject import mean_over
from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHARE = 0.1  # of the logged steps, over which a curve is smoothed
ACROSS = 2  # panels in a row


class LossCurve(NamedTuple):
    """The losses of one configuration.

    Args:
        name: of the method and its configuration.
        family: of the method.
        steps: at which all of its seeds logged, (n,).
        losses: a line a seed, (seeds, n).
    """

    name: str
    family: str
    steps: np.ndarray
    losses: np.ndarray


def training(order: Order) -> Figure:
    """The loss of every configuration, raw in the background and smoothed over steps and seeds before it.

    Raises:
        FmbenchError: no run has logged its training.
    """
    curves = loss_curves(order)
    families: dict[str, list[LossCurve]] = defaultdict(list)
    for curve in curves:
        families[curve.family].append(curve)
    down = -(-len(families) // ACROSS)
    with figure(height=2.7 * down + 0.5, width=WIDTH) as picture:
        grid = picture.subplots(down, ACROSS, squeeze=False)
        for axes in grid.flat[len(families) :]:
            axes.set_axis_off()
        for axes, family in zip(grid.flat, sorted(families), strict=False):
            draw_family(axes, family, families[family])
        caption(picture, *sentences(order, curves))
    return picture


def loss_curves(order: Order) -> list[LossCurve]:
    """What the runs asked for have logged.

    Raises:
        FmbenchError: nothing.
    """
    runs = runs_of(order)
    names = names_of(runs)
    seeds: dict[Path, list[tuple[RunDirectory, dict[int, float]]]] = defaultdict(list)
    for run in runs:
        logged = dict(losses_of(run))
        if logged:
            seeds[run.path.parent].append((run, logged))
    if not seeds:
        raise FmbenchError(f"no run of {order.dataset!r} in {str(order.root)!r} has logged its training: run it again")
    curves = []
    for folder, members in seeds.items():
        steps = sorted(set.intersection(*(set(logged) for _, logged in members)))
        losses = np.array([[logged[step] for step in steps] for _, logged in members])
        curves.append(LossCurve(names[folder], members[0][0].record().family or OTHER, np.array(steps), losses))
    return curves


def losses_of(run: RunDirectory) -> Iterable[tuple[int, float]]:
    """Steps and losses; of a step that a resumed run logged twice the later line counts."""
    for line in read_lines(run.train_log):
        loss = line.get("loss")
        if loss is not None and math.isfinite(loss):
            yield line["step"], loss


def smoothed(values: np.ndarray) -> np.ndarray:
    """The running mean of (n,) over SHARE of its length, and less towards its ends."""
    last = len(values) - 1
    halves = [min(int(SHARE * len(values) / 2), at, last - at) for at in range(len(values))]
    return np.array([values[at - half : at + half + 1].mean() for at, half in enumerate(halves)])


def draw_family(axes: Axes, family: str, curves: Sequence[LossCurve]) -> None:
    """The curves of one family: each seed faint, their smoothed mean in full."""
    for place, (curve, colour) in enumerate(zip(curves, palette(len(curves)), strict=True)):
        for losses in curve.losses:
            axes.plot(curve.steps, losses, color=colour, linewidth=0.5, alpha=0.25)
        mean = smoothed(curve.losses.mean(0))
        axes.plot(curve.steps, mean, color=colour, linestyle=DASHES[place % len(DASHES)], label=curve.name)
    ends = [float(end) for curve in curves for end in (curve.losses.min(), curve.losses.max())]
    if logarithmic(ends):
        axes.set_yscale("log")
        plain_ticks(axes.yaxis, math.log10(max(ends) / min(ends)))
    axes.set(xlabel="step", ylabel="loss")
    axes.set_title(family, loc="left", parse_math=False)
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.1, -0.2),
        ncols=3,
        columnspacing=0.8,
        handlelength=1.8,
        handletextpad=0.4,
        labelspacing=0.2,
    )
    for text in legend.get_texts():
        text.set(fontsize=SMALL, parse_math=False)


def sentences(order: Order, curves: Sequence[LossCurve]) -> Iterable[str]:
    """The caption."""
    most = max(len(curve.losses) for curve in curves)
    yield f"{order.dataset}: training loss, as each objective defines it: losses of different methods do not compare."
    seeds = mean_over([most])
    yield f"Lines: running mean over {SHARE:.0%} of the steps, of {seeds}; faint: as logged."
