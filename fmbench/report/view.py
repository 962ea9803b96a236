"""Which rows and numbers of a store a table shows, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from fmbench.errors import FmbenchError, unknown
from fmbench.report.columns import by_dataset
from fmbench.report.numbers import is_floor
from fmbench.report.table import Row

WORDS: Mapping[str, Callable[[Row], Any]] = {
    "method": lambda row: row.request.method.name,
    "family": lambda row: row.family,
    "status": lambda row: row.status,
    "seeds": lambda row: row.seeds,
    "train-seconds": lambda row: row.train_seconds,
    "params": lambda row: row.params,
}
"""What rows are filtered and sorted by, beside their numbers and the settings in which they differ."""
SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "=": operator.eq,
}  # fmt: skip
CONDITION = re.compile(r"([^<>=!]+)(<=|>=|!=|<|>|=)(.*)", re.DOTALL)
EQUALITY = {"=", "!="}


@dataclass(frozen=True)
class View:
    """How a table shows its rows.

    Args:
        columns: names of the numbers to show; None for the headline ones.
        sort: what the rows are ordered by, "-" before it for the largest first; "" for families and names.
    """

    columns: Collection[str] | None = None
    sort: str = ""


def select(rows: Sequence[Row], methods: Sequence[str], conditions: Sequence[str]) -> list[Row]:
    """The rows to show.

    Args:
        rows: of a store.
        methods: names or patterns, as "fm-*"; all of none.
        conditions: as "nfe<200", "family=flow matching" or "train.lr=0.001"; a row must meet every one. A row without
            the number meets none but "!=".

    Raises:
        FmbenchError: a name that no row has, a condition that makes no sense, or no row that meets all.
    """
    names = matching({row.request.method.name for row in rows}, methods)
    kept = [row for row in rows if row.request.method.name in names]
    for condition in conditions:
        meets = parse(condition, rows)
        kept = [row for row in kept if meets(row)]
        if not kept:
            raise FmbenchError(f"--filter {condition!r}: no row meets it; leave it out to see them all")
    return kept


def matching(names: Collection[str], patterns: Sequence[str]) -> frozenset[str]:
    """The methods that one of the patterns matches; all of them where there is no pattern.

    Raises:
        FmbenchError: a pattern matches none.
    """
    found: set[str] = set()
    for pattern in patterns:
        matched = {name for name in names if fnmatchcase(name, pattern)}
        if not matched:
            raise unknown("method of this store", pattern, names)
        found |= matched
    return frozenset(found if patterns else names)


def parse(condition: str, rows: Sequence[Row]) -> Callable[[Row], bool]:
    """The test that a condition spells.

    Raises:
        FmbenchError: it is not key, sign and value, the key is unknown, or the two cannot be compared.
    """
    found = CONDITION.fullmatch(condition)
    if found is None:
        raise FmbenchError(
            f"--filter {condition!r}: write a name, a sign and a value, as in nfe<200 or family=diffusion"
        )
    key, sign, wanted = found[1].strip(), found[2], found[3].strip()
    known(key, rows, "--filter")
    number = as_number(wanted)
    if number is None and sign not in EQUALITY:
        raise FmbenchError(f"--filter {condition!r}: {wanted!r} is no number, and {sign} compares numbers")

    def meets(row: Row) -> bool:
        value = value_of(row, key)
        if value is None:
            return sign == "!="
        if number is not None and as_number(value) is not None:
            return SIGNS[sign](as_number(value), number)
        if sign not in EQUALITY:
            raise FmbenchError(f"--filter {condition!r}: {key} is {value!r} in a row, which is no number")
        return SIGNS[sign](str(value), wanted)

    return meets


def arranged(rows: Sequence[Row], view: View) -> list[Row]:
    """The rows in a view's order, each dataset's together.

    Raises:
        FmbenchError: no row has what they are to be sorted by.
    """
    if not view.sort:
        return list(rows)
    known(view.sort.removeprefix("-"), rows, "--sort")
    return [row for _, group in by_dataset(rows) for row in ordered(group, view.sort)]


def ordered(rows: Sequence[Row], sort: str) -> list[Row]:
    """Rows by a number or a word, "-" before it for the largest first; those without it last, equal ones as before."""
    key, largest_first = sort.removeprefix("-"), sort.startswith("-")
    having = [row for row in rows if value_of(row, key) is not None]
    lacking = [row for row in rows if value_of(row, key) is None]

    def place(row: Row) -> tuple[bool, float, str]:
        number = as_number(value_of(row, key))
        return number is None, number or 0.0, str(value_of(row, key))

    return sorted(having, key=place, reverse=largest_first) + lacking


def known(key: str, rows: Sequence[Row], option: str) -> None:
    """Raise unless some row has a value of that name.

    Raises:
        FmbenchError: none has.
    """
    settings = {name for row in rows for name in row.overrides}
    numbers = {column.name for row in rows for column in row.cells if not is_floor(column.name)}
    if key not in {*WORDS, *settings, *numbers}:
        raise unknown(f"name in {option}", key, {*WORDS, *settings, *numbers})


def value_of(row: Row, key: str) -> Any:
    """A row's word, number (its mean over seeds) or setting of that name; None where it has none."""
    if key in WORDS:
        return WORDS[key](row)
    found = row.cell(key)
    return row.overrides.get(key) if found is None else found[1].mean


def as_number(value: Any) -> float | None:
    """The number that a value is or spells; None where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
