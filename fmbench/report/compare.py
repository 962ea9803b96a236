"""Which rows differ by more than their training seeds do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fmbench.report.cells import Cell, Column, half_width
from fmbench.report.numbers import Better, number
from fmbench.report.table import Row

CONTROL = "control"  # the family of methods that say what a number is worth: they compete with none


class Difference(NamedTuple):
    """Mean over the seeds that two cells have in common, and half of its 95 % Student interval."""

    mean: float
    interval: float


class Rank(NamedTuple):
    """The places that a row may have, the first one being 1."""

    low: int
    high: int

    @property
    def best(self) -> bool:
        """Whether it can only be the first."""
        return self == (1, 1)

    def __str__(self) -> str:
        return f"{self.low}" if self.low == self.high else f"{self.low}\u2013{self.high}"


def paired(a: Cell, b: Cell) -> Difference | None:
    """a - b seed by seed: what a seed does to both cancels. None where they share fewer than two seeds."""
    differences = [value - b.by_seed[seed] for seed, value in a.by_seed.items() if seed in b.by_seed]
    interval = half_width(differences)
    return None if interval is None else Difference(sum(differences) / len(differences), interval)


def apart(a: Cell, b: Cell) -> bool:
    """Whether two cells differ by more than chance, by the stricter of two tests: both must tell them apart.

    The interval of the paired difference excludes zero, and the two cells' own intervals do not overlap. Pairing
    alone would often separate rows whose printed intervals overlap, and a reader of the table could not see why.
    Over the very same seeds the second implies the first, as the deviation of a difference is at most the sum of the
    two; the first decides where cells share only some seeds.
    """
    difference = paired(a, b)
    if difference is None or a.interval is None or b.interval is None:
        return False
    return abs(difference.mean) > difference.interval and abs(a.mean - b.mean) > a.interval + b.interval


def ranks(cells: Sequence[Cell], better: Better) -> list[Rank]:
    """Of each cell of one column: 1 + how many are better for certain, to n - how many are worse for certain."""

    def ahead(a: Cell, b: Cell) -> bool:
        return (a.mean > b.mean if better == "higher" else a.mean < b.mean) and apart(a, b)

    n = len(cells)
    return [
        Rank(1 + sum(ahead(other, cell) for other in cells), n - sum(ahead(cell, other) for other in cells))
        for cell in cells
    ]


def ranking(rows: Sequence[Row], column: Column) -> list[Rank | None]:
    """The rank of each of a dataset's rows in a column.

    None for controls, biased numbers and rows without the number; for all rows where the number has no better
    direction, or where fewer than two rows have two seeds. A row with one seed counts: nothing is known to be better
    or worse than it, so none is best beside it.
    """
    better = number(column.name).better
    places = [index for index, row in enumerate(rows) if better and comparable(row, column)]
    cells = [rows[index].cells[column] for index in places]
    found: list[Rank | None] = [None] * len(rows)
    if sum(cell.seeds > 1 for cell in cells) > 1:
        for index, rank in zip(places, ranks(cells, better), strict=True):
            found[index] = rank
    return found


def comparable(row: Row, column: Column) -> bool:
    """Whether a row competes in a column."""
    return column in row.cells and row.family != CONTROL and not row.cells[column].biased
