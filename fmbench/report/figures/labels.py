"""Labels beside points, such that none overlaps another label or a point. All lengths are in points of 1/72 inch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmbench.report.figures.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RADII = (5, 8, 12, 17, 23, 30, 38, 48, 60, 75, 95, 120)  # from a point to its label, in order of preference
DIRECTIONS = 24
LEADER = 7  # from this distance on a line leads to the label
SLANT = (0.3, 0.55)  # sine of the angle from which on a text stands beside, and above or below, its anchor
HALF = 2.8  # of a marker's side
GAP = 0.8  # around a label
SWEEPS = 4  # over all labels, each moved to its best place among the others
# What a fault costs, in points of distance.
OVER_LABEL, OVER_POINT, OUTSIDE, CROSSING, NEARER_ANOTHER = 1500.0, 900.0, 3000.0, 60.0, 25.0
STEPS = np.linspace(0.0, 1.0, 12)[None, :, None]  # along a leader


@dataclass(frozen=True)
class Label:
    """A text to stand beside a point.

    Args:
        text: in SMALL type.
        x: of the point, in the data's units.
        y: likewise.
        colour: of the text and its leader.
    """

    text: str
    x: float
    y: float
    colour: str = "#202020"


@dataclass(frozen=True)
class Candidates:
    """Where a label may stand.

    Args:
        anchors: the ends of its leader, (c, 2).
        towards: on which side of its anchor it stands: -1, 0 or 1 across and up, (c, 2).
        boxes: low x, low y, high x, high y of its text, (c, 4).
        starts: the point, (1, 2).
        costs: of the distance alone, (c,).
    """

    anchors: np.ndarray
    towards: np.ndarray
    boxes: np.ndarray
    starts: np.ndarray
    costs: np.ndarray


def settle(picture: Figure) -> None:
    """Lay a figure out once and for all, so that places in it can be told. All but labels must be there."""
    picture.draw_without_rendering()
    picture.set_layout_engine("none")


def place(axes: Axes, labels: Sequence[Label], obstacles: np.ndarray | None = None) -> None:
    """Write the labels beside their points.

    Args:
        axes: of a settled figure.
        labels: one a point.
        obstacles: other boxes to keep clear of, (m, 4), in points from the figure's corner.
    """
    if not labels:
        return
    points = in_points(axes, np.array([(label.x, label.y) for label in labels]))
    low, high = axes.bbox.get_points() * 72 / axes.figure.dpi
    options = [candidates(label, point) for label, point in zip(labels, points, strict=True)]
    markers = np.concatenate([points - HALF, points + HALF], axis=1)
    fixed = markers if obstacles is None else np.concatenate([markers, obstacles])
    own = [
        option.costs
        + OUTSIDE * ((option.boxes[:, :2] < low).any(1) | (option.boxes[:, 2:] > high).any(1))
        + OVER_POINT * overlaps(option.boxes, fixed).sum(1)
        + NEARER_ANOTHER * (distances(option.boxes, points) < distances(option.boxes, option.starts) + HALF).sum(1)
        for option in options
    ]
    chosen = choose(options, own)
    for label, option, place in zip(labels, options, chosen, strict=True):
        write(axes, label, option, place)


def in_points(axes: Axes, xy: np.ndarray) -> np.ndarray:
    """Positions (n, 2) in the data's units, in points from the figure's corner."""
    placed: np.ndarray = axes.transData.transform(xy) * 72 / axes.figure.dpi
    return placed


def extent(text: str) -> tuple[float, float]:
    """Width and height of a line in SMALL type."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=SMALL)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    _, height, _ = text_to_path.get_text_width_height_descent(f"{text}lp", font, ismath=False)
    return float(width), float(height)  # matplotlib gives every line the height of "lp"


def candidates(label: Label, point: np.ndarray) -> Candidates:
    """Every place for a label around its point: beside it first, right before left before above and below."""
    width, height = extent(label.text)
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    towards = np.where(np.abs(directions) > SLANT, np.sign(directions), 0.0)
    anchors = point + np.concatenate([radius * directions for radius in RADII])
    towards = np.tile(towards, (len(RADII), 1))
    low = anchors + (towards - 1) / 2 * (width, height)
    boxes = np.concatenate([low - GAP, low + np.array([width, height]) + GAP], axis=1)
    upright = np.abs(directions[:, 1]) + 0.5 * (directions[:, 0] < 0)
    costs = np.concatenate([radius + upright for radius in RADII])
    return Candidates(anchors, towards, boxes, point[None], costs)


def choose(options: Sequence[Candidates], own: Sequence[np.ndarray]) -> list[int]:
    """The place of each label: first alone, then, label by label, the best one among the others'."""
    chosen = [int(costs.argmin()) for costs in own]
    for _ in range(SWEEPS):
        for label, option in enumerate(options):
            others = [other for other in range(len(options)) if other != label]
            if not others:
                break
            boxes = np.stack([options[other].boxes[chosen[other]] for other in others])
            starts = np.concatenate([options[other].starts for other in others])
            ends = np.stack([options[other].anchors[chosen[other]] for other in others])
            costs = own[label] + OVER_LABEL * overlaps(option.boxes, boxes).sum(1)
            costs += CROSSING * passes(option.starts, option.anchors, boxes).sum(1)
            costs += CROSSING * passes(starts, ends, option.boxes).sum(0)
            costs += CROSSING * crosses(option.starts, option.anchors, starts, ends).sum(1)
            chosen[label] = int(costs.argmin())
    return chosen


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether boxes share room, (n of a, n of b)."""
    apart = (a[:, None, :2] >= b[None, :, 2:]) | (b[None, :, :2] >= a[:, None, 2:])
    return np.asarray(~apart.any(-1))


def distances(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """From boxes (n, 4) to points (m, 2), (n, m)."""
    outside = np.maximum(boxes[:, None, :2] - points, points - boxes[:, None, 2:])
    return np.asarray(np.hypot(*np.moveaxis(np.maximum(outside, 0), -1, 0)))


def thin(line: np.ndarray, steps: int = 60) -> np.ndarray:
    """The room that a line through points (n, 2) takes, as boxes of its pieces, (m, 4)."""
    along = np.linspace(0, len(line) - 1, steps)
    fine = np.stack([np.interp(along, np.arange(len(line)), line[:, axis]) for axis in (0, 1)], axis=1)
    ends = np.stack([fine[:-1], fine[1:]])
    return np.concatenate([ends.min(0) - 0.5, ends.max(0) + 0.5], axis=1)


def passes(starts: np.ndarray, ends: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether lines lead through boxes, (n of lines, n of boxes)."""
    along = starts[:, None, :] + STEPS * (ends - starts)[:, None, :]
    within = (along[:, :, None, :] > boxes[:, :2]) & (along[:, :, None, :] < boxes[:, 2:])
    return np.asarray(within.all(-1).any(1))


def crosses(starts: np.ndarray, ends: np.ndarray, others: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """Whether lines cross other lines, (n of lines, n of others)."""

    def side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.asarray(
            (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        )

    a, b = np.broadcast_to(starts, ends.shape)[:, None], ends[:, None]
    c, d = others[None], tips[None]
    return np.asarray((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0))


def write(axes: Axes, label: Label, option: Candidates, place: int) -> None:
    """The text at its place, with a leader where that is far from its point."""
    across, up = (int(side) for side in option.towards[place])
    offset = option.anchors[place] - option.starts[0]
    leader = {
        "arrowstyle": "-",
        "color": "#909090",
        "linewidth": 0.4,
        "shrinkA": 0,
        "shrinkB": 2,
        "relpos": ((1 - across) / 2, (1 - up) / 2),
    }
    axes.annotate(
        label.text,
        xy=(label.x, label.y),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha=("center", "left", "right")[across],
        va=("center", "bottom", "top")[up],
        fontsize=SMALL,
        color=label.colour,
        parse_math=False,
        zorder=4,
        arrowprops=leader if np.hypot(*offset) > LEADER else None,
    )
