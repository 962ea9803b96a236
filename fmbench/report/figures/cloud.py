"""Quality against cost as a figure shows it: a dot a row, curves, and what controls and real data reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fmbench.errors import FmbenchError
from fmbench.registry.specs import FLOOR
from fmbench.report.cells import Column
from fmbench.report.compare import CONTROL
from fmbench.report.figures.curves import Curve
from fmbench.report.figures.looks import Look
from fmbench.report.figures.subject import Amount, Subject, amount
from fmbench.report.notes import floors
from fmbench.report.table import Row

DECADE = 10.0  # from this ratio on an axis is logarithmic
REACH = 0.35  # of the range of the points, by which a level may lie outside of it and still be drawn


@dataclass(frozen=True)
class Cost:
    """What quality is bought with.

    Args:
        label: of the axis.
        words: in a sentence.
        of: what a row pays; None where that is not known.
        ratio: from which on its axis is logarithmic.
    """

    label: str
    words: str
    of: Callable[[Row], Amount | None]
    ratio: float = DECADE


def evaluations_of(row: Row) -> Amount | None:
    """Network evaluations a sample."""
    found = row.cell("nfe")
    return None if found is None else amount(found[1])


def seconds_of(row: Row) -> Amount | None:
    """The seconds of training; without an interval, which would be that of whatever else the machine had to do."""
    return None if row.train_seconds is None else Amount(row.train_seconds)


COSTS: Mapping[str, Cost] = {
    "nfe": Cost("NFE (network evaluations a sample) \u2193", "NFE", evaluations_of, ratio=1.0),
    "train-seconds": Cost("training time (s) \u2193", "training time", seconds_of),
}


class Level(NamedTuple):
    """What a control or real data reach, at whatever cost."""

    name: str
    value: float


@dataclass(frozen=True)
class Dot:
    """A row in the plane of cost and quality.

    Args:
        label: the row's.
        x: its cost.
        y: its quality.
        look: the row's.
        faint: whether it does not compete.
    """

    label: str
    x: Amount
    y: Amount
    look: Look
    faint: bool = False


@dataclass(frozen=True)
class Cloud:
    """What an axis shows of one column.

    Args:
        dots: a row each.
        levels: controls and floors, near enough to be drawn.
        beyond: those that are not, and biased numbers that are not.
        free: rows that have the number and no cost: they stand nowhere.
        curves: of rows, along the cost.
    """

    dots: Sequence[Dot]
    levels: Sequence[Level]
    beyond: Sequence[Level]
    free: Sequence[str]
    curves: Sequence[tuple[Curve, Look]] = ()

    @classmethod
    def of(cls, subject: Subject, column: Column, cost: Cost, curves: Sequence[Curve] = ()) -> Cloud:
        """The rows that have a number in the column.

        Raises:
            FmbenchError: none has both the number and the cost.
        """
        dots, levels, free = [], [], []
        for row in subject.rows:
            if column not in row.cells:
                continue
            price, cell = cost.of(row), row.cells[column]
            if row.family == CONTROL:
                levels.append(Level(row.label, cell.mean))
            elif price is None or price.mean <= 0:
                free.append(row.label)
            else:
                dots.append(Dot(row.label, price, amount(cell), subject.looks[row.label], cell.biased))
        if not dots:
            raise FmbenchError(
                f"no row of {subject.dataset!r} has both {column.number.label} and {cost.words}: evaluate it, or "
                "choose other rows"
            )
        competing = [dot.y.mean for dot in dots if not dot.faint] or [dot.y.mean for dot in dots]
        known = sorted([*levels, *floor_levels(subject, column)], key=lambda level: (level.value, level.name))
        near = [level for level in known if is_near(level.value, competing)]
        off = [dot for dot in dots if dot.faint and not is_near(dot.y.mean, competing)]
        beyond = [*(level for level in known if level not in near), *(Level(dot.label, dot.y.mean) for dot in off)]
        drawn = [(curve, subject.looks[curve.label]) for curve in curves]
        return cls([dot for dot in dots if dot not in off], near, beyond, free, drawn)

    @property
    def costs(self) -> list[Amount]:
        """All that the axis of the cost must hold."""
        return [*(dot.x for dot in self.dots), *(Amount(x) for curve, _ in self.curves for x in curve.xs)]

    @property
    def heights(self) -> list[Amount]:
        """All that the axis of the quality must hold."""
        curved = (Amount(y) for curve, _ in self.curves for y in curve.ys)
        return [*(dot.y for dot in self.dots), *(Amount(level.value) for level in self.levels), *curved]

    def sentences(self, cost: Cost, column: Column) -> Iterable[str]:
        """What the caption says of it."""
        label = column.number.label
        if self.beyond:
            listed = ", ".join(f"{entry.name} {entry.value:.3g}" for entry in self.beyond)
            yield f"Beyond the axis: {label} of {listed}."
        if self.free:
            yield f"Left out, for their {cost.words} is 0 or unknown: {', '.join(self.free)}."
        biased = [dot.label for dot in self.dots if dot.faint]
        if biased:
            yield f"Faint, for their {label} is biased: {', '.join(biased)}."


def floor_levels(subject: Subject, column: Column) -> Iterable[Level]:
    """What real data reach in a column."""
    for floor, cell in floors(subject.rows):
        if floor.name == column.name + FLOOR and floor.family == column.family:
            yield Level(column.number.floor.lower(), cell.mean)
            return


def is_near(value: float, means: Sequence[float]) -> bool:
    """Whether a level is so near to the points that an axis for both still shows the points."""
    scaled: Callable[[float], float] = math.log if logarithmic(means) else float
    if logarithmic(means) != logarithmic([*means, value]):
        return False  # it would change the axis
    low, high = scaled(min(means)), scaled(max(means))
    reach = REACH * (high - low)
    return low - reach <= scaled(value) <= high + reach


def logarithmic(means: Sequence[float], ratio: float = DECADE) -> bool:
    """Whether values are positive and the largest is at least so many times the least."""
    return min(means) > 0 and max(means) >= ratio * min(means)
