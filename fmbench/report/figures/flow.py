"""The flow of points in the plane, a row a method: Figure 4 of Lipman et al. 2023; and densities side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.style import COLOURS, DENSITY, GREY, SMALL, WIDTH, caption, figure
from fmbench.report.portraits import Portrait, portraits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

TIMES = ("0", "1/3", "2/3", "1")
FIELDS = (1, 2)  # of TIMES, those whose field is shown
HEADS = ("density", *(f"t = {time}" for time in TIMES), "trajectories", *(f"field, t = {TIMES[i]}" for i in FIELDS))
SIDE = WIDTH / (len(HEADS) + 0.25)  # inches of a panel; the rest is for the methods' names
LETTERS = 14  # of a name, on a line beside its row
PATHS = 120  # trajectories that are drawn
INSIDE = 0.5  # share of points that a window must hold, or a panel takes a scale of its own
LENGTH = 1.2  # of the longest arrows, in cells
ACROSS = 6  # densities in a row
WIDEST = 1.5  # inches of a density
COLOURING = "densities on one scale, its colours even in their square root, which shows faint mass."


def flow(order: Order) -> Figure:
    """A row a method: its density, points on their way, trajectories and field; the first row is the data.

    Raises:
        FmbenchError: there are no portraits.
    """
    found = portraits_of(order)
    rows = len(found) + 1
    with figure(height=rows * SIDE + 0.5) as picture:
        picture.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        grid = picture.subplots(rows, len(HEADS), squeeze=False)
        for axis, head in zip(grid[0], HEADS, strict=True):
            axis.set_title(head, fontsize=SMALL, pad=3)
        peak = peak_of(found)
        for axes, portrait in zip(grid, [None, *found], strict=True):
            for axis in axes:
                frame(axis, found[0] if portrait is None else portrait)
            if portrait is None:
                truth(axes, found[0], peak)
            else:
                row(axes, portrait, peak)
        caption(picture, *sentences(order, found))
    return picture


def density(order: Order) -> Figure:
    """The data, their true density, and the learned ones, all on one colour scale.

    Raises:
        FmbenchError: there are no portraits, or none has a density.
    """
    found = portraits_of(order)
    shown: list[tuple[str, Portrait, np.ndarray | None]] = [("data", found[0], None)]
    shown += [("true density", found[0], found[0].truth)] if found[0].truth is not None else []
    learned = [(portrait.name, portrait, portrait.density) for portrait in found if portrait.density is not None]
    if not learned:
        raise FmbenchError(f"no density of these methods on {order.dataset!r}: 'fmbench plot samples' shows points")
    shown += learned
    down = -(-len(shown) // ACROSS)
    across = -(-len(shown) // down)
    side = min(WIDTH / across, WIDEST)
    with figure(height=down * (side + 0.1) + 0.3, width=side * across) as picture:
        axes = list(picture.subplots(down, across, squeeze=False).flat)
        for axis in axes[len(shown) :]:
            axis.set_axis_off()
        for axis, (name, portrait, log_density) in zip(axes, shown, strict=False):
            frame(axis, portrait)
            axis.set_title(textwrap.fill(name, 22), fontsize=SMALL, pad=2, parse_math=False)
            if log_density is None:
                scatter(axis, portrait.data)
            else:
                shade(axis, portrait, log_density, peak_of(found))
        caption(picture, f"{order.dataset}: {COLOURING}", *seeds(found))
    return picture


def frame(axis: Axes, portrait: Portrait) -> None:
    """The window, with an outline and nothing else."""
    left, right, bottom, top = portrait.extent
    axis.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.4)


def truth(axes: Sequence[Axes], portrait: Portrait, peak: float) -> None:
    """The first row: the true density, and true points where the others' end."""
    name_row(axes[0], "data")
    for axis in axes:
        axis.set_frame_on(False)
    if portrait.truth is not None:
        axes[0].set_frame_on(True)
        shade(axes[0], portrait, portrait.truth, peak)
    end = axes[len(TIMES)]
    end.set_frame_on(True)
    scatter(end, portrait.data)


def row(axes: Sequence[Axes], portrait: Portrait, peak: float) -> None:
    """What there is of one method; what there is not leaves its place empty, and is named."""
    name_row(axes[0], portrait.name)
    if portrait.density is None:
        nothing(axes[0], "no density")
    else:
        shade(axes[0], portrait, portrait.density, peak)
    times, paths, fields = axes[1 : 1 + len(TIMES)], axes[1 + len(TIMES)], axes[2 + len(TIMES) :]
    if portrait.points is not None and portrait.flows:
        move(times, portrait, portrait.points)
        trace(paths, portrait.points)
    else:
        draw_still(times, portrait)
        nothing(paths, "no flow")
    if portrait.field is not None:
        draw_field(fields, portrait, portrait.field)
    else:
        for axis in fields:
            nothing(axis, "no field" if portrait.flows else "")


def move(axes: Sequence[Axes], portrait: Portrait, points: np.ndarray) -> None:
    """The points at each of TIMES."""
    for axis, place in zip(axes, np.linspace(0, len(points) - 1, len(TIMES)).round().astype(int), strict=True):
        scatter(axis, points[place])
        widen(axis, portrait, points[place])


def draw_still(axes: Sequence[Axes], portrait: Portrait) -> None:
    """The samples of what is no flow, at the last of TIMES."""
    for axis in axes[:-1]:
        nothing(axis)
    if portrait.points is None:
        nothing(axes[-1], "not solved")
    else:
        scatter(axes[-1], portrait.points[-1])


def draw_field(axes: Sequence[Axes], portrait: Portrait, fields: np.ndarray) -> None:
    """The fields at FIELDS, on one scale: an arrow as long as a cell is where these are fast."""
    shown = fields[list(FIELDS)]
    usual = float(np.quantile(np.hypot(shown[..., 0], shown[..., 1]), 0.9)) or 1.0
    for axis, field in zip(axes, shown, strict=True):
        arrows(axis, portrait, field / usual)


def name_row(axis: Axes, name: str) -> None:
    """A row's name, at its left end."""
    axis.set_ylabel(textwrap.fill(name, LETTERS), fontsize=SMALL, labelpad=2, parse_math=False)


def nothing(axis: Axes, why: str = "") -> None:
    """A panel without content."""
    axis.set_frame_on(False)
    axis.text(0.5, 0.5, why, transform=axis.transAxes, ha="center", va="center", fontsize=SMALL - 1, color=GREY)


def peak_of(found: Sequence[Portrait]) -> float:
    """The density at which the colours end: the true one's highest, else the highest of all."""
    known = [portrait.truth for portrait in found if portrait.truth is not None] or [
        portrait.density for portrait in found if portrait.density is not None
    ]
    return max((float(np.exp(array.max())) for array in known), default=1.0)


def shade(axis: Axes, portrait: Portrait, log_density: np.ndarray, peak: float) -> None:
    """A density from 0 to the peak, by its square root."""
    root = np.exp(log_density / 2)
    axis.imshow(
        root, origin="lower", extent=portrait.extent, vmin=0, vmax=peak**0.5, cmap=DENSITY, interpolation="bilinear"
    )


def scatter(axis: Axes, points: np.ndarray) -> None:
    """Points (n, 2)."""
    axis.scatter(points[:, 0], points[:, 1], s=1.2, color=COLOURS[0], linewidths=0, rasterized=True)


def widen(axis: Axes, portrait: Portrait, points: np.ndarray) -> None:
    """Where most points are outside the window, as VE's source is, a wider one; the panel says how much wider."""
    if portrait.inside(points) >= INSIDE:
        return
    low, high = portrait.window.T
    middle, half = (low + high) / 2, (high - low) / 2
    factor = float(np.quantile(np.abs(points - middle) / half, 0.99))
    (left, bottom), (right, top) = middle - factor * half, middle + factor * half
    axis.set(xlim=(left, right), ylim=(bottom, top))
    note(axis, f"{factor:.0f} × wider" if factor >= 10 else f"{factor:.1f} × wider")


def note(axis: Axes, text: str) -> Text:
    """A remark within a panel."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    return axis.text(0.04, 0.04, text, transform=axis.transAxes, fontsize=SMALL - 1, color=COLOURS[1], bbox=box)


def trace(axis: Axes, points: np.ndarray) -> None:
    """The ways of the first points (frames, n, 2): grey where they begin, vermilion where they end."""
    shown = points[:, :PATHS]
    axis.plot(shown[..., 0], shown[..., 1], color=COLOURS[0], linewidth=0.3, alpha=0.6, rasterized=True)
    for frame_, colour in ((shown[0], GREY), (shown[-1], COLOURS[1])):
        axis.scatter(frame_[:, 0], frame_[:, 1], s=1.5, color=colour, linewidths=0, zorder=3, rasterized=True)


def arrows(axis: Axes, portrait: Portrait, velocity: np.ndarray) -> None:
    """A field (k, k, 2) in cells of the window; longer arrows are cut to the length of one."""
    k, (left, right) = len(velocity), portrait.window[0]
    steps = (np.arange(k) + 0.5) / k
    x, y = (low + steps * (high - low) for low, high in portrait.window)
    shown = velocity / np.maximum(np.hypot(velocity[..., 0], velocity[..., 1]), 1)[..., None]
    axis.quiver(
        x, y, shown[..., 0], shown[..., 1], angles="xy", scale_units="xy", scale=k / (right - left) / LENGTH,
        pivot="mid", width=0.008, headwidth=4, headlength=4, headaxislength=3.6, color="#303030", rasterized=True,
    )  # fmt: skip


def sentences(order: Order, found: Sequence[Portrait]) -> Iterable[str]:
    """The caption."""
    flows = [portrait.points for portrait in found if portrait.points is not None and portrait.flows]
    yield f"{order.dataset}: {COLOURING}"
    if flows:
        n = flows[0].shape[1]
        yield f"{n} points follow each flow by dopri5 at 1e-5, the ways of {min(n, PATHS)} from grey to vermilion."
        yield "Arrows are on one scale a method."
    yield from seeds(found)


def seeds(found: Sequence[Portrait]) -> Iterable[str]:
    """Say which trainings are shown."""
    shown = sorted({portrait.run.seed for portrait in found})
    yield f"Training seed {shown[0]}." if len(shown) == 1 else "Training seeds: the first of each method."
