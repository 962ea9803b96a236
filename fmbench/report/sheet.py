"""A table as it is read: heads, lines by family, footnotes and notes. Every format to read writes a sheet down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product
from string import ascii_lowercase
from unicodedata import category

from fmbench.report.cells import Column
from fmbench.report.columns import by_dataset, columns_of, heads, missing, si, text_of
from fmbench.report.compare import CONTROL, Rank, RanksByColumn, ranks_by_column
from fmbench.report.notes import notes
from fmbench.report.table import Row
from fmbench.report.view import View, arranged

TIED = "\u2021"
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # of Unicode: controls, marks of direction, lone surrogates, ends of lines


@dataclass(frozen=True)
class Entry:
    """What stands in a place of a table.

    Args:
        text: plain, on one line.
        best: whether it is ahead of every other of its column for certain.
        tied: whether it is not told apart from the best of its column.
        marks: letters of its footnotes.
    """

    text: str
    best: bool = False
    tied: bool = False
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines that belong together.

    Args:
        title: of the family; "" where the table is not divided.
        lines: of the table, each an entry a column.
    """

    title: str
    lines: Sequence[Sequence[Entry]]


@dataclass(frozen=True)
class Sheet:
    """One dataset's table.

    Args:
        title: above it.
        heads: of each column: its name, and its unit or protocol.
        sections: of the table.
        footnotes: why something is missing, each with its letter.
        notes: of the protocol, and of what the numbers are worth.
    """

    title: str
    heads: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footnotes: Sequence[tuple[str, str]]
    notes: Sequence[str]

    def below(self) -> list[str]:
        """Every line below the table, footnotes first, as plain text."""
        return [*(f"[{letter}] {text}" for letter, text in self.footnotes), *self.notes]


class Footnotes:
    """Gives each distinct text a letter, in the order in which they come up."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._free = ("".join(letters) for size in count(1) for letters in product(ascii_lowercase, repeat=size))

    def of(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Their letters."""
        lines = [one_line(text) for text in texts]
        for text in lines:
            if text not in self._letters:
                self._letters[text] = next(self._free)
        return tuple(dict.fromkeys(self._letters[text] for text in lines))

    def all(self) -> list[tuple[str, str]]:
        """Letters and texts."""
        return [(letter, text) for text, letter in self._letters.items()]


def sheets(rows: Sequence[Row], view: View | None = None) -> list[Sheet]:
    """The tables of a store's rows, one a dataset.

    Raises:
        FmbenchError: no row has what they are to be sorted by.
    """
    view = view or View()
    return [sheet(dataset, group, view) for dataset, group in by_dataset(arranged(rows, view))]


def sheet(dataset: str, rows: Sequence[Row], view: View) -> Sheet:
    """The table of one dataset's rows."""
    groups = [("", list(rows))] if view.sort else families(rows)
    rows = [row for _, group in groups for row in group]
    columns = columns_of(rows, view.columns)
    footnotes = Footnotes()
    ranked = ranks_by_column(rows, columns)
    lines = iter(body(rows, ranked, footnotes))
    divided = len(rows) > len(groups) > 1  # a family of one row each needs no heads
    sections = [Section(one_line(title) if divided else "", [next(lines) for _ in group]) for title, group in groups]
    shown = [entry for section in sections for line in section.lines for entry in line]
    below = [*notes(rows, ranked), *legend(shown)]
    return Sheet(one_line(dataset), heads(columns), sections, footnotes.all(), [one_line(line) for line in below])


def legend(shown: Sequence[Entry]) -> list[str]:
    """What the signs mean that stand in a table."""
    texts = {entry.text for entry in shown}
    lines = [text for sign, text in ABSENT.items() if sign in texts]
    if any(entry.tied for entry in shown):
        lines.insert(0, f"{TIED} Not told apart from the best by its interval; a row of one seed has none.")
    return lines


ABSENT: Mapping[str, str] = {
    "n/a": "n/a: the method has no such number.",
    "\u2013": "\u2013: not measured.",
}


def families(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """One dataset's rows by the family of their method, in the alphabet's order, controls last."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.family, []).append(row)
    return sorted(found.items(), key=lambda item: (item[0] == CONTROL, item[0]))


def body(rows: Sequence[Row], ranked: RanksByColumn, footnotes: Footnotes) -> list[list[Entry]]:
    """The table's lines."""
    return [
        line(row, [(column, ranks[index]) for column, ranks in ranked.items()], footnotes)
        for index, row in enumerate(rows)
    ]


def line(row: Row, places: Sequence[tuple[Column, Rank | None]], footnotes: Footnotes) -> list[Entry]:
    """The entries of a row. What no cell of it could explain stands with its name."""
    metrics = {column.metric for column, _ in places if column not in row.cells}
    gaps = bool(metrics - row.inapplicable - row.unavailable.keys())
    hidden = [why for metric, reasons in row.unavailable.items() if metric not in metrics for why in reasons]
    name = Entry(one_line(row.label), marks=footnotes.of([*([] if gaps else row.failures), *hidden]))
    seconds = "" if row.train_seconds is None else f"{row.train_seconds:.0f}"
    params = "" if row.params is None else si(row.params)
    numbers = [entry(row, column, rank, footnotes) for column, rank in places]
    return [name, Entry(str(row.seeds)), *numbers, Entry(seconds), Entry(params)]


def entry(row: Row, column: Column, rank: Rank | None, footnotes: Footnotes) -> Entry:
    """A number, or what stands in its place and why."""
    if column in row.cells:
        cell = row.cells[column]
        first = rank is not None and rank.low == 1 and cell.interval is not None
        best = first and rank is not None and rank.best
        return Entry(text_of(column, cell, row.seeds), best, tied=first and not best)
    if column.metric in row.inapplicable:
        return Entry(missing(row, column))
    reasons = row.unavailable.get(column.metric, row.failures)
    return Entry(missing(row, column), marks=footnotes.of(reasons))


def one_line(text: str) -> str:
    """Text without line breaks, which would end a line of the table, and without characters that are not seen."""
    if text.isprintable() and "  " not in text:
        return text  # nearly always, and much faster
    return " ".join("".join(" " if category(letter) in UNSEEN else letter for letter in text).split())
