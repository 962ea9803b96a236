"""The heads of a dataset's table and its numbers, as plain text."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from fmbench.errors import unknown
from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.report.cells import Cell, Column
from fmbench.report.numbers import is_floor
from fmbench.report.table import Row

ARROWS = {"lower": " \u2193", "higher": " \u2191", "": ""}
DAGGER = "\u2020"
ALL = "all"
LIKELIHOODS = {"nll", "nll-gap", "nfe-nll"}
PLAIN = {"vlb", "fid-ratio"}  # their heads need no family: there is one, or the column before has it


def by_dataset(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Rows in the order given, grouped by dataset."""
    return [(name, list(group)) for name, group in groupby(rows, key=lambda row: row.request.dataset.name)]


def chosen(rows: Sequence[Row], names: Sequence[str]) -> frozenset[str]:
    """The names of numbers to show; those of all that the rows have, if one of the names is ALL.

    Raises:
        FmbenchError: no row has a number of such a name.
    """
    known = frozenset(column.name for row in rows for column in row.cells if not is_floor(column.name))
    for name in names:
        if name not in {*known, ALL}:
            raise unknown("column", name, {*known, ALL})
    return known if ALL in names else frozenset(names)


def columns_of(rows: Sequence[Row], names: Collection[str] | None) -> list[Column]:
    """The columns that any row has a number in: those of the names, or the headline ones; floors are notes.

    A metric that no row could have gets one of its own: its cells say so.
    """
    found = {column for row in rows for column in row.cells if not is_floor(column.name)}
    known = {column.metric for column in found}
    lost = {metric for row in rows for metric in row.unavailable} - known
    found |= {Column(metric, metric, unit="", family="", n=0, protocol="{}") for metric in lost}
    order = list(NUMBERS)

    def position(column: Column) -> tuple[int, str, str, str, int, str]:
        place = order.index(column.name) if column.name in order else len(order)
        return place, column.name, column.unit, column.family, column.n, column.protocol

    shown = (column for column in found if (column.number.headline if names is None else column.name in names))
    return sorted(shown, key=position)


def heads(columns: Sequence[Column]) -> list[tuple[str, str]]:
    """All column heads, each with its unit or protocol."""
    texts = [
        (label + ARROWS[column.number.better], qualifier)
        for column, (label, qualifier) in zip(columns, told_apart(columns), strict=True)
    ]
    return [("method", ""), ("seeds", ""), *texts, ("train", "s"), ("params", "")]


def told_apart(columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Each column's label and qualifier; that of twins of one number says what differs in them."""
    plainly = [head(column) for column in columns]
    texts = []
    for column, (text, qualifier) in zip(columns, plainly, strict=True):
        twins = [protocol_of(other) for other in columns if head(other) == (text, qualifier)]
        mine = protocol_of(column)
        apart = [f"{key}={mine[key]}" for key in sorted(mine) if any(twin.get(key) != mine[key] for twin in twins)]
        texts.append((text, ", ".join([qualifier, *apart] if qualifier else apart)))
    return texts


def protocol_of(column: Column) -> dict[str, object]:
    """What columns of one number may differ in."""
    return {**json.loads(column.protocol), "n": column.n, "features": column.family}


def head(column: Column) -> tuple[str, str]:
    """A column's name, and its unit or protocol."""
    label = column.number.label
    if column.name in LIKELIHOODS:
        protocol = json.loads(column.protocol)
        draws = [f"K={protocol['draws']}"] if column.unit == "bits/dim" else []
        some = [f"first {column.n}"] if protocol.get("points") else []
        return label, ", ".join(filter(None, [column.unit, *draws, *some]))
    if column.family and column.name not in PLAIN:
        return label, f"{column.family}, n={column.n}"
    return label, "" if column.unit == label else column.unit


def si(count: int) -> str:
    """1415488 as 1.42 M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def missing(row: Row, column: Column) -> str:
    """What stands in place of a number."""
    if column.metric in row.inapplicable:
        return "n/a"
    if column.metric in row.unavailable:
        return "unavailable"
    return "\u2013" if row.status == "done" else row.status


def text_of(column: Column, cell: Cell, seeds: int) -> str:
    """mean, or mean ± interval over seeds; how many, where they are fewer than the row's."""
    decimals = column.number.decimals
    interval = "" if cell.interval is None else f" \u00b1 {cell.interval:.{decimals}f}"
    fewer = "" if cell.seeds == seeds else f" (seeds: {cell.seeds})"
    return f"{cell.mean:.{decimals}f}{DAGGER if cell.biased else ''}{interval}{fewer}"
