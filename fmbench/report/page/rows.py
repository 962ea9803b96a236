"""The rows of a dataset as its plots show them: families with their colours, axes, and a value for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.registry.specs import FLOOR
from fmbench.report.cells import Column
from fmbench.report.columns import told_apart
from fmbench.report.compare import CONTROL
from fmbench.report.figures import style
from fmbench.report.notes import floors
from fmbench.report.numbers import QUALITY
from fmbench.report.page.lines import anchor
from fmbench.report.page.runs import significant
from fmbench.report.sheet import families
from fmbench.report.table import Row

# The figures' colours, and the same hues where the page is dark.
DARK = ("#4aa3df", "#f08a4b", "#2fc79a", "#e29ac2", "#f0b93a", "#a6dcff", "#f2f2f2")
PAIRS = tuple(zip(style.COLOURS, DARK, strict=True))
GREY = (style.GREY, "#9a9a9a")  # controls compete with nothing
SYMBOLS = (  # the figures' markers, as plotly calls them
    "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "pentagon", "triangle-left",
    "triangle-right", "hexagon", "diamond-tall", "star", "octagon",
)  # fmt: skip
CALLS = "nfe"  # what samples cost, before all other costs
COSTS = (CALLS, "nfe-per-sample", "nfe-nll", "nfe-10pct", "steps-10pct", "sample-seconds")


@dataclass(frozen=True)
class Family:
    """A family of methods.

    Args:
        name: of the family.
        colour: in the light and in the dark.
        competes: whether its methods do; controls only say what a number is worth.
    """

    name: str
    colour: tuple[str, str]
    competes: bool


@dataclass(frozen=True)
class Axis:
    """What a plot may have along an axis.

    Args:
        key: of the values of a row.
        name: of the number.
        label: of the axis.
        cost: whether it is what a method costs; else it says how good the method is.
        better: "lower", "higher" or "".
        floor: what real data reach, where known.
    """

    key: str
    name: str
    label: str
    cost: bool
    better: str
    floor: float | None


@dataclass(frozen=True)
class Point:
    """A number of a row: its mean over seeds, and half of its 95 % interval where there is one."""

    mean: float | None
    interval: float | None = None


@dataclass(frozen=True)
class RowView:
    """A row for plots and for its own window.

    Args:
        anchor: of the row.
        label: of the row.
        family: its place among the families.
        symbol: of its points.
        status: the worst of its seeds.
        runs: the places of its runs, by seed.
        values: by the key of an axis.
        reasons: why numbers are missing.
    """

    anchor: str
    label: str
    family: int
    symbol: str
    status: str
    runs: Sequence[int]
    values: Mapping[str, Point]
    reasons: Sequence[str]


def coloured(rows: Sequence[Row]) -> list[Family]:
    """The families in the table's order, each with a colour as long as there are any."""
    free = cycle(PAIRS)
    return [Family(name, GREY if name == CONTROL else next(free), name != CONTROL) for name, _ in families(rows)]


def axes_of(columns: Sequence[Column]) -> dict[str, Column | None]:
    """The columns that have an axis, by key; None for what training took and the size of the network."""
    by_use = sorted(columns, key=lambda column: (position(column.name, QUALITY), position(column.name, list(NUMBERS))))
    return {f"n{place}": column for place, column in enumerate(by_use)} | {"train": None, "params": None}


def position(name: str, order: Sequence[str]) -> int:
    """The place of a name, those that are not listed last."""
    return order.index(name) if name in order else len(order)


def described(axes: Mapping[str, Column | None], rows: Sequence[Row]) -> list[Axis]:
    """The axes in words."""
    columns = [column for column in axes.values() if column is not None]
    heads = dict(zip(columns, told_apart(columns), strict=True))
    lowest = {(column.name, column.family): cell.mean for column, cell in floors(rows)}
    found = [
        Axis(
            key,
            column.name,
            " ".join(filter(None, [heads[column][0], f"({heads[column][1]})" if heads[column][1] else ""])),
            column.name in COSTS,
            column.number.better,
            significant(lowest.get((column.name + FLOOR, column.family))),
        )
        for key, column in axes.items()
        if column is not None
    ]
    return [
        *found,
        Axis("train", "train", "training (s)", True, "lower", None),
        Axis("params", "params", "parameters", True, "", None),
    ]


def row_views(
    rows: Sequence[Row], axes: Mapping[str, Column | None], runs: Mapping[str, Sequence[int]]
) -> list[RowView]:
    """The rows, given the runs of each by anchor."""
    views: dict[int, RowView] = {}
    for family, (_, members) in enumerate(families(rows)):
        for place, row in enumerate(members):
            name = anchor(row.request, row.overrides)
            views[id(row)] = RowView(
                anchor=name,
                label=row.label,
                family=family,
                symbol=SYMBOLS[place % len(SYMBOLS)],
                status=row.status,
                runs=sorted(runs.get(name, ())),
                values=values_of(row, axes),
                reasons=row.reasons,
            )
    return [views[id(row)] for row in rows]


def values_of(row: Row, axes: Mapping[str, Column | None]) -> dict[str, Point]:
    """A row's numbers, by the key of their axis."""
    cells = {key: row.cells[column] for key, column in axes.items() if column is not None and column in row.cells}
    means = {key: Point(significant(cell.mean), significant(cell.interval)) for key, cell in cells.items()}
    return means | {"train": Point(significant(row.train_seconds)), "params": Point(row.params)}
