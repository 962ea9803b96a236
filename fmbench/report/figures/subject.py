"""What a figure of numbers is about: the rows of one dataset, their look, and numbers of one protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fmbench.errors import FmbenchError, unknown
from fmbench.report.cells import Cell, Column
from fmbench.report.columns import ARROWS, columns_of, missing, told_apart
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.looks import Look, looks_of
from fmbench.report.notes import of_whom, sampling_line
from fmbench.report.numbers import QUALITY, is_floor
from fmbench.report.table import Row, build
from fmbench.report.view import select


@dataclass(frozen=True)
class Amount:
    """A mean over training seeds, and half of its 95 % interval; None of one seed."""

    mean: float
    interval: float | None = None


@dataclass(frozen=True)
class Subject:
    """The rows that a figure shows.

    Args:
        dataset: theirs.
        rows: those asked for.
        looks: of every row of the dataset, by label; a method looks the same whichever rows are asked for.
    """

    dataset: str
    rows: Sequence[Row]
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, order: Order) -> Subject:
        """What was asked for.

        Raises:
            FmbenchError: there are no such runs.
        """
        everyone = build(order.root, [order.dataset])
        return cls(order.dataset, select(everyone, order.rows, []), looks_of(everyone))

    def column(self, name: str) -> Column:
        """The column of a number; of several protocols the one that most rows have.

        Raises:
            FmbenchError: no row has the number.
        """
        having = {column: sum(column in row.cells for row in self.rows) for column in columns_of(self.rows, {name})}
        if not any(having.values()):
            raise unknown(f"number of {self.dataset}", name, self.numbers(), "Others: fmbench eval --metrics NAMES.")
        return max(having, key=lambda column: having[column])

    def numbers(self) -> frozenset[str]:
        """The names of all numbers that a row has."""
        return frozenset(column.name for row in self.rows for column in row.cells if not is_floor(column.name))

    def quality(self) -> str:
        """The number that says how good samples are.

        Raises:
            FmbenchError: none of QUALITY was measured.
        """
        measured = self.numbers()
        for name in QUALITY:
            if name in measured:
                return name
        known = ", ".join(sorted(measured)) or "nothing"
        raise FmbenchError(f"no row of {self.dataset!r} has FID or W2 (measured: {known}): give --number, or evaluate")

    def sentences(self, columns: Sequence[Column]) -> list[str]:
        """The caption of a figure of columns: who is left out, how samples were drawn, what the bars are."""
        lines = [f"{self.dataset}."]
        lines += [sentence for column in columns for sentence in left_out(self.rows, column)]
        lines += of_whom((row.label, sampling_line(row)) for row in self.rows)
        return [*lines, seed_sentence(self.rows, columns)]


def amount(cell: Cell) -> Amount:
    """A cell as a figure shows it."""
    return Amount(cell.mean, cell.interval)


def axis_label(column: Column) -> str:
    """A number's name, unit or protocol, and the arrow towards the better."""
    ((label, qualifier),) = told_apart([column])
    return f"{label}{f' ({qualifier})' if qualifier else ''}{ARROWS[column.number.better]}"


def left_out(rows: Sequence[Row], column: Column) -> Iterable[str]:
    """Who has no number in a column, and who has it under another protocol."""
    label = column.number.label
    without = [f"{row.label} ({missing(row, column)})" for row in rows if row.cell(column.name) is None]
    otherwise = [row.label for row in rows if row.cell(column.name) is not None and column not in row.cells]
    if without:
        yield f"Without {label}: {', '.join(without)}."
    if otherwise:
        yield f"Left out, for their {label} is of another protocol: {', '.join(otherwise)}."


def seed_sentence(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Over what the intervals are, or why there are none."""
    seeds = sorted({row.cells[column].seeds for row in rows for column in columns if column in row.cells})
    if seeds[-1] == 1:
        return "One training seed each: no intervals."
    return f"Means over {span(seeds)} training seeds with their 95 % intervals (Student's)."


def mean_over(counts: Sequence[int]) -> str:
    """What lines over so many seeds each are, in words."""
    return "one training seed" if max(counts) == 1 else f"the mean over {span(counts)} training seeds"


def span(counts: Sequence[int]) -> str:
    """From the least to the greatest, in words."""
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"
