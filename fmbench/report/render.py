"""A table in every format: those to read are in `terminal` and `text`, those for programs here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.report.cells import Column
from fmbench.report.columns import by_dataset
from fmbench.report.compare import Rank, comparable, paired, ranks_by_column
from fmbench.report.html import html
from fmbench.report.latex import latex
from fmbench.report.markdown import markdown
from fmbench.report.sheet import Sheet, sheets
from fmbench.report.table import Row
from fmbench.report.terminal import rich_table
from fmbench.report.view import View, arranged

if TYPE_CHECKING:
    import pandas

CSV_COLUMNS = (
    "dataset", "method", "n_seeds", "status", "nll", "nll_ci", "nll_unit", "nll_family", "fid", "fid_ci",
    "fid_features", "nfe", "nfe_ci", "train_seconds", "params",
)  # fmt: skip
PAIRED = 100  # rows of a dataset up to which JSON lists their differences: a thousand rows have a million
BEFORE, AFTER = CSV_COLUMNS[:4], CSV_COLUMNS[-2:]  # of every row, whichever numbers are asked for


def frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """One line a row, under CSV_COLUMNS."""
    import pandas  # half a second, only where it is used

    table = pandas.DataFrame([record(row) for row in rows], columns=list(CSV_COLUMNS))
    return table.astype({"n_seeds": "Int64", "params": "Int64"})


def csv_table(rows: Sequence[Row], view: View | None = None) -> str:
    """One line a row, eight significant digits, empty cells where there is no number.

    Under CSV_COLUMNS; or, where the view names numbers, BEFORE, each of them and its interval, and AFTER.
    """
    view = view or View()
    keys = CSV_COLUMNS if view.columns is None else (*BEFORE, *csv_keys(view.columns), *AFTER)
    return csv_text([keys, *(list(record(row, keys).values()) for row in arranged(rows, view))])


def csv_keys(names: Collection[str]) -> list[str]:
    """The keys of numbers, in the table's order."""
    order = list(NUMBERS)
    known = sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [key for name in known for key in (name, f"{name}_ci")]


def csv_text(lines: Iterable[Sequence[Any]]) -> str:
    """Lines of CSV."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for line in lines:
        writer.writerow([f"{value:.8g}" if isinstance(value, float) else value for value in line])
    return table.getvalue()


def json_table(rows: Sequence[Row], view: View | None = None) -> str:
    """An array of objects: the CSV's keys and what does not fit into them; of the view's numbers, or of all."""
    view = view or View()
    objects = []
    for _, group in by_dataset(arranged(rows, view)):
        ranked = ranks_by_column(group, {column for row in group for column in row.cells})
        for index, row in enumerate(group):
            numbers = sorted(row.cells, key=lambda column: column.name)
            numbers_shown = [
                number_of(row, group, column, ranked[column][index])
                for column in numbers
                if view.columns is None or column.name in view.columns
            ]
            objects.append({**record(row), **extras(row), "numbers": numbers_shown})
    return json_text(objects)


def json_text(value: Any) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def keyed(table: Sheet) -> list[dict[str, str]]:
    """The lines of a table as it is read, under its dataset, its sections and its heads."""
    heads = [" ".join(filter(None, head)) for head in table.heads]
    return [
        {
            "dataset": table.title,
            "group": section.title,
            **dict(zip(heads, (entry.text for entry in line), strict=True)),
        }
        for section in table.sections
        for line in section.lines
    ]


def csv_sheets(tables: Sequence[Sheet]) -> str:
    """Tables as they are read, each under its heads."""
    written = [keyed(table) for table in tables]
    return csv_text([*line] for rows in written for line in (rows[0], *(row.values() for row in rows)))


def json_sheets(tables: Sequence[Sheet]) -> str:
    """Tables as they are read: an array of objects, each with its rows and what stands below."""
    return json_text([{"rows": keyed(table), "notes": table.below()} for table in tables])


TEXTS: Mapping[str, Callable[[Sequence[Sheet]], str]] = {"md": markdown, "latex": latex, "html": html}
"""Formats to read beside the terminal's."""
DATA: Mapping[str, Callable[[Sequence[Row], View | None], str]] = {"csv": csv_table, "json": json_table}
"""Formats for programs: all numbers, whichever a text table would show."""
FORMATS = ("rich", *TEXTS, *DATA)


def show(rows: Sequence[Row], form: str, console: Console, view: View | None = None) -> None:
    """Print the table of a store's rows in one of FORMATS; in all but the first as exact bytes."""
    if form in DATA:
        console.file.write(DATA[form](rows, view))
    else:
        show_sheets(sheets(rows, view), form, console)


def show_sheets(tables: Sequence[Sheet], form: str, console: Console) -> None:
    """Print tables that are to be read in one of FORMATS."""
    written = {**TEXTS, "csv": csv_sheets, "json": json_sheets}
    if form == "rich":
        console.print(rich_table(tables))
    else:
        console.file.write(written[form](tables))


def record(row: Row, keys: Sequence[str] = CSV_COLUMNS) -> dict[str, Any]:
    """A row under the CSV's keys."""
    values: dict[str, Any] = {
        "dataset": row.request.dataset.name,
        "method": row.label,
        "n_seeds": row.seeds,
        "status": row.status,
        "train_seconds": None if row.train_seconds is None else round(row.train_seconds, 1),
        "params": row.params,
    }
    for column, cell in row.cells.items():
        if column.name not in keys:
            continue  # averaging it would be for nothing
        values |= {column.name: cell.mean, f"{column.name}_ci": cell.interval}
        if column.name == "nll":
            values |= {"nll_unit": column.unit, "nll_family": cell.family}
        if column.name == "fid":
            values["fid_features"] = cell.family
    return {key: values.get(key) for key in keys}


def extras(row: Row) -> dict[str, Any]:
    """What JSON says of a row beyond the CSV."""
    return {
        "family": row.family,
        "overrides": dict(row.overrides),
        "reasons": list(row.reasons),
        "train": row.request.train.model_dump(),
        "network": row.request.network.model_dump(),
        "sampler": dict(row.sampler),
        "training": [
            {key: value for key, value in summary.dump().items() if key != "schema"} for summary in row.summaries
        ],
    }


def number_of(row: Row, group: Sequence[Row], column: Column, rank: Rank | None) -> dict[str, Any]:
    """What JSON says of a number."""
    cell = row.cells[column]
    return {
        "name": column.name,
        "mean": cell.mean,
        "ci": cell.interval,
        "n_seeds": cell.seeds,
        "by_seed": dict(cell.by_seed),
        "rank": rank,
        "paired": pairs(row, group, column) if rank is not None else {},
        "measurement_error": cell.error,
        "sets": cell.sets,
        "warnings": list(cell.warnings),
        "unit": column.unit,
        "family": cell.family,
        "n": column.n,
        "protocol": json.loads(column.protocol),
    }


def pairs(row: Row, group: Sequence[Row], column: Column) -> dict[str, dict[str, float]] | None:
    """This row less each other that competes in the column, seed by seed; None among more than PAIRED rows."""
    if len(group) > PAIRED:
        return None
    others = [other for other in group if other is not row and comparable(other, column)]
    found = {other.label: paired(row.cells[column], other.cells[column]) for other in others}
    known = {label: gap for label, gap in found.items() if gap is not None}
    return {label: {"mean": gap.mean, "ci": gap.interval} for label, gap in known.items()}
