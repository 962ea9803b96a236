"""The page's table: a sheet with every number, each line with its anchor and what it is sorted and filtered by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench.report.cells import Column
from fmbench.report.columns import ALL, chosen, columns_of
from fmbench.report.sheet import Entry, Sheet, families, sheet
from fmbench.report.table import Row
from fmbench.report.view import View
from fmbench.request.schema import TrainingRequest, digest

Sortable = float | str | None


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Args:
        text: of the head.
        qualifier: unit or protocol.
        better: "lower", "higher" or "".
        headline: whether the column is shown unasked.
    """

    text: str
    qualifier: str
    better: str
    headline: bool


@dataclass(frozen=True)
class Place:
    """A cell: what stands there, what it is sorted by (None last) and the head of its column."""

    entry: Entry
    sort: Sortable
    head: Head

    @property
    def absent(self) -> bool:
        """Whether there is no number."""
        return self.sort is None


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        anchor: of its row, the same in every page that has the row.
        row: its place among the dataset's rows.
        status: of the row.
        places: in the order of the heads.
    """

    anchor: str
    row: int
    status: str
    places: Sequence[Place]


@dataclass(frozen=True)
class Group:
    """The lines of a family."""

    family: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Lines:
    """The whole table.

    Args:
        heads: of the columns.
        groups: of lines, by family.
        sheet: that it is made of, for its notes.
        columns: of the numbers, as the heads between the first two and the last two have them.
    """

    heads: Sequence[Head]
    groups: Sequence[Group]
    sheet: Sheet
    columns: Sequence[Column]


def lines_of(dataset: str, rows: Sequence[Row]) -> Lines:
    """The table of one dataset's rows."""
    names = chosen(rows, [ALL])
    columns = columns_of(rows, names)
    written = sheet(dataset, rows, View(columns=names))
    heads = heads_of(written, columns)
    places = {id(row): place for place, row in enumerate(rows)}
    groups = [
        Group(
            family,
            [
                Line(
                    anchor(row.request, row.overrides),
                    places[id(row)],
                    row.status,
                    places_of(row, columns, line, heads),
                )
                for row, line in zip(members, section.lines, strict=True)
            ],
        )
        for (family, members), section in zip(families(rows), written.sections, strict=True)
    ]
    return Lines(heads, groups, written, columns)


def heads_of(written: Sheet, columns: Sequence[Column]) -> list[Head]:
    """The sheet's heads, with what the page shows unasked."""
    around = [("", True)] * 2
    shown = [*around, *((column.number.better, column.number.headline) for column in columns), *around]
    return [Head(text, of, *more) for (text, of), more in zip(written.heads, shown, strict=True)]


def places_of(row: Row, columns: Sequence[Column], line: Sequence[Entry], heads: Sequence[Head]) -> list[Place]:
    """The cells of a line: numbers are sorted by their mean, whatever is printed."""
    means = [row.cells[column].mean if column in row.cells else None for column in columns]
    values: list[Sortable] = [row.label.lower(), row.seeds, *means, row.train_seconds, row.params]
    return [Place(*cell) for cell in zip(line, values, heads, strict=True)]


def anchor(request: TrainingRequest, overrides: Mapping[str, Any]) -> str:
    """A row's name in addresses: made of what it is, whatever else the store holds.

    Args:
        request: of any of its seeds.
        overrides: of training and evaluation.
    """
    names = f"{request.dataset.name}-{request.method.name}"
    of = digest([request.model_dump(exclude={"seed"}), dict(overrides)])
    return f"{re.sub(r'[^A-Za-z0-9-]+', '-', names)}-{of[:6]}"
