"""Two rows side by side: what each number differs by, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench.errors import FmbenchError, unknown
from fmbench.report.cells import Cell, Column
from fmbench.report.columns import ARROWS, by_dataset, columns_of, text_of, told_apart
from fmbench.report.compare import paired
from fmbench.report.sheet import Entry, Section, Sheet, one_line
from fmbench.report.table import Row
from fmbench.report.view import View

NOTES = (
    "\u00b1: 95 % Student interval over training seeds; that of the difference is paired by seed: what a seed does to "
    "both rows cancels. Ahead: that interval excludes zero.",
    "The ranks of a whole table ask more: the two rows' own intervals must not overlap either.",
)


def compared(rows: Sequence[Row], a: str, b: str, view: View | None = None) -> list[Sheet]:
    """For each dataset that has both rows, their numbers under equal protocols and the differences.

    Args:
        rows: of a store.
        a: a row's label or, where one row has it, its method's name.
        b: the other's.
        view: which numbers; the headline ones if it names none.

    Raises:
        FmbenchError: there is no such row, several go by that name, or no dataset has both.
    """
    columns = (view or View()).columns
    found = []
    for dataset, group in by_dataset(rows):
        first, other = named(group, a), named(group, b)
        if first is not None and other is not None:
            found.append(sheet(dataset, first, other, columns_of([first, other], columns)))
    if not found:
        labels = {row.label for row in rows}
        for name in (a, b):
            if not any(named(group, name) for _, group in by_dataset(rows)):
                raise unknown("row", name, labels)
        raise FmbenchError(f"--compare {a} {b}: no dataset of this store has both")
    return found


def named(rows: Sequence[Row], name: str) -> Row | None:
    """A dataset's row by its label or its method's name; None where there is none.

    Raises:
        FmbenchError: several rows are of that method.
    """
    exact = [row for row in rows if row.label == name]
    of_method = exact or [row for row in rows if row.request.method.name == name]
    if len(of_method) > 1:
        labels = ", ".join(sorted(repr(row.label) for row in of_method))
        raise FmbenchError(f"--compare: several rows are of {name!r}: say which of {labels}")
    return of_method[0] if of_method else None


def sheet(dataset: str, a: Row, b: Row, columns: Sequence[Column]) -> Sheet:
    """One dataset's comparison, a line a number."""
    shared = [(column, head) for column, head in zip(columns, told_apart(columns), strict=True) if has(column, a, b)]
    lines = [line(column, head, a, b) for column, head in shared]
    heads = [
        ("number", ""),
        (a.label, ""),
        (b.label, ""),
        ("difference", "first - second"),
        ("seeds", "in common"),
        ("ahead", ""),
    ]
    left = [told for column, (told, _) in zip(columns, told_apart(columns), strict=True) if not has(column, a, b)]
    notes = list(NOTES)
    if left:
        notes.append(f"Not of both, or not under one protocol: {', '.join(dict.fromkeys(left))}.")
    return Sheet(one_line(dataset), [(one_line(x), y) for x, y in heads], [Section("", lines)], [], notes)


def has(column: Column, a: Row, b: Row) -> bool:
    """Whether both rows have the number under one protocol."""
    return column in a.cells and column in b.cells


def line(column: Column, head: tuple[str, str], a: Row, b: Row) -> list[Entry]:
    """One number of both, their difference, and who is ahead."""
    spec = column.number
    label = head[0] + ARROWS[spec.better] + (f" ({head[1]})" if head[1] else "")
    first, other = a.cells[column], b.cells[column]
    shared = len(first.by_seed.keys() & other.by_seed.keys())
    difference = paired(first, other)
    text = "\u2013"
    if difference is not None:
        text = f"{difference.mean:+z.{spec.decimals}f} \u00b1 {difference.interval:.{spec.decimals}f}"
    entries = [
        Entry(label),
        Entry(text_of(column, first, a.seeds)),
        Entry(text_of(column, other, b.seeds)),
        Entry(text),
    ]
    return [*entries, Entry(str(shared)), Entry(one_line(verdict(column, first, other, a.label, b.label)))]


def verdict(column: Column, a: Cell, b: Cell, first: str, second: str) -> str:
    """Who is ahead, as far as the seeds tell."""
    better, difference = column.number.better, paired(a, b)
    if not better:
        return "neither is better"
    if a.biased or b.biased:
        return "biased: not compared"
    if difference is None:
        return "fewer than two seeds in common"
    if abs(difference.mean) <= difference.interval:
        return "not told apart"
    return first if (difference.mean < 0) == (better == "lower") else second
