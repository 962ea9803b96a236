"""Which rows differ by more than their training seeds do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from fmbench.registry.specs import Better
from fmbench.report.cells import Cell, Column, half_width, student
from fmbench.report.table import Row

if TYPE_CHECKING:
    import numpy as np

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


def ranks(cells: Sequence[Cell], better: Better) -> list[Rank]:
    """Rank each cell of one column: from 1 + how many are better for certain, to n - how many are worse for certain.

    Two cells differ by more than chance if the stricter of two tests tells them apart: the interval of the paired
    difference excludes zero, and the two cells' own intervals do not overlap. Pairing alone would often separate rows
    whose printed intervals overlap, and a reader of the table could not see why. Over the very same seeds the second
    implies the first, as the deviation of a difference is at most the sum of the two; the first decides where cells
    share only some seeds.
    """
    import numpy as np  # here, as tables of one seed need none

    lower, upper = np.zeros(len(cells), int), np.full(len(cells), len(cells))
    groups = by_seeds(cells, -1 if better == "higher" else 1)
    for a, b in product(groups, groups):
        if a is b:
            lower[a.places] += np.searchsorted(np.sort(a.high), a.low)
            upper[a.places] -= len(a.places) - np.searchsorted(np.sort(a.low), a.high, side="right")
        else:
            ahead = surely_lower(a, b)
            lower[b.places] += ahead.sum(0)
            upper[a.places] -= ahead.sum(1)
    return [Rank(1 + int(low), int(high)) for low, high in zip(lower, upper, strict=True)]


@dataclass(frozen=True)
class Group:
    """Cells over the same seeds.

    Args:
        seeds: those.
        places: of the cells in their column, (m,).
        values: such that less is better, (m, seeds).
        low: ends of their intervals, (m,).
        high: the other ends, (m,).
    """

    seeds: tuple[int, ...]
    places: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray


def by_seeds(cells: Sequence[Cell], sign: int) -> list[Group]:
    """The cells that have an interval, their values times `sign`."""
    import numpy as np

    found: dict[tuple[int, ...], list[tuple[int, Cell]]] = defaultdict(list)
    for place, cell in enumerate(cells):
        if cell.interval is not None:
            found[tuple(cell.by_seed)].append((place, cell))
    groups = []
    for seeds, members in found.items():
        values = sign * np.array([list(cell.by_seed.values()) for _, cell in members])
        means = sign * np.array([cell.mean for _, cell in members])
        intervals = np.array([cell.interval for _, cell in members])
        places = np.array([place for place, _ in members])
        groups.append(Group(seeds, places, values, means - intervals, means + intervals))
    return groups


def surely_lower(a: Group, b: Group) -> np.ndarray:
    """Whether each cell of a is below each of b by both tests, (m of a, m of b)."""
    import numpy as np

    shared = [seed for seed in a.seeds if seed in b.seeds]
    if len(shared) < 2:
        return np.zeros((len(a.places), len(b.places)), bool)
    mine, others = (group.values[:, [group.seeds.index(seed) for seed in shared]] for group in (a, b))
    differences = mine[:, None, :] - others[None, :, :]
    interval = student(len(shared) - 1) * differences.std(-1, ddof=1) / math.sqrt(len(shared))
    sure: np.ndarray = np.abs(differences.mean(-1)) > interval
    return sure & (a.high[:, None] < b.low[None, :])


RanksByColumn = Mapping[Column, Sequence[Rank | None]]


def ranks_by_column(rows: Sequence[Row], columns: Iterable[Column]) -> RanksByColumn:
    """The ranks of a dataset's rows in each of some columns."""
    return {column: ranking(rows, column) for column in columns}


def ranking(rows: Sequence[Row], column: Column) -> list[Rank | None]:
    """The rank of each of a dataset's rows in a column.

    None for controls, biased numbers and rows without the number; for all rows where the number has no better
    direction, or where fewer than two rows have two seeds. A row with one seed counts: nothing is known to be better
    or worse than it, so none is best beside it.
    """
    better = column.number.better
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
