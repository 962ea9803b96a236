"""How rows look: a colour for the family, a marker and a line style for the method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fmbench.report.compare import CONTROL
from fmbench.report.figures.style import GREY, palette
from fmbench.report.table import Row

if TYPE_CHECKING:
    from matplotlib.artist import Artist

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d", "*", "8")
DASHES = ("-", (0, (4, 1.2)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
OTHER = "other"  # the family of rows of a store that is too old to know it


@dataclass(frozen=True)
class Look:
    """How a row is drawn.

    Args:
        family: which the colour is of.
        colour: of markers and lines.
        marker: one of MARKERS.
        dashes: one of DASHES.
    """

    family: str
    colour: str
    marker: str
    dashes: str | tuple[int, tuple[float, ...]]


def looks_of(rows: Sequence[Row]) -> dict[str, Look]:
    """The look of each row of a dataset, by label; controls are grey."""
    families: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        families[row.family or OTHER].append(row.label)
    competing = sorted(set(families) - {CONTROL})
    colours = {**dict(zip(competing, palette(len(competing)), strict=True)), CONTROL: GREY}
    return {
        label: Look(family, colours[family], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])
        for family, labels in families.items()
        for place, label in enumerate(labels)
    }


def family_handles(looks: Iterable[Look]) -> list[Artist]:
    """Entries of a legend: which colour is whose."""
    from matplotlib.lines import Line2D

    colours = {look.family: look.colour for look in looks}
    return [Line2D([], [], color=colours[name], marker="o", linestyle="none", label=name) for name in sorted(colours)]
