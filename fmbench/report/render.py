"""A table in every format: those to read are in `terminal` and `text`, those for programs here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fmbench.report.cells import Column
from fmbench.report.compare import Rank, comparable, paired, ranking
from fmbench.report.grid import by_dataset
from fmbench.report.table import Row
from fmbench.report.terminal import rich_table
from fmbench.report.text import latex, markdown

if TYPE_CHECKING:
    import pandas

__all__ = [
    "DATA", "FORMATS", "TEXTS", "csv_table", "frame", "json_table", "latex", "markdown", "record", "rich_table", "show",
]  # fmt: skip
CSV_COLUMNS = (
    "dataset", "method", "n_seeds", "status", "nll", "nll_ci", "nll_unit", "nll_family", "fid", "fid_ci",
    "fid_features", "nfe", "nfe_ci", "train_seconds", "params",
)  # fmt: skip


def frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """One line a row, under CSV_COLUMNS."""
    import pandas  # half a second, only where it is used

    table = pandas.DataFrame([record(row) for row in rows], columns=list(CSV_COLUMNS))
    return table.astype({"n_seeds": "Int64", "params": "Int64"})


def csv_table(rows: Sequence[Row]) -> str:
    """One line a row, eight significant digits, empty cells where there is no number."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        writer.writerow([f"{value:.8g}" if isinstance(value, float) else value for value in record(row).values()])
    return table.getvalue()


def json_table(rows: Sequence[Row]) -> str:
    """An array of objects: the CSV's keys and what does not fit into them."""
    objects = []
    for _, group in by_dataset(rows):
        standings = {column: ranking(group, column) for column in {column for row in group for column in row.cells}}
        for index, row in enumerate(group):
            numbers = sorted(row.cells, key=lambda column: column.name)
            said = [number_of(row, group, column, standings[column][index]) for column in numbers]
            objects.append({**record(row), **extras(row), "numbers": said})
    return json.dumps(objects, indent=1, ensure_ascii=False) + "\n"


DATA: Mapping[str, Callable[[Sequence[Row]], str]] = {"csv": csv_table, "json": json_table}
"""Formats for programs: all numbers, whichever a text table would show."""
TEXTS: Mapping[str, Callable[[Sequence[Row], Collection[str] | None], str]] = {"latex": latex, "md": markdown}
"""Formats to read beside the terminal's."""
FORMATS = ("rich", *TEXTS, *DATA)


def show(rows: Sequence[Row], form: str, console: Console, names: Collection[str] | None = None) -> None:
    """Print a table in one of FORMATS; all but the first as exact bytes.

    Args:
        rows: of the table.
        form: one of FORMATS.
        console: where to.
        names: of the numbers that a format to read shows; None for the headline ones.
    """
    if form == "rich":
        console.print(rich_table(rows, names))
    else:
        console.file.write(DATA[form](rows) if form in DATA else TEXTS[form](rows, names))


def record(row: Row) -> dict[str, Any]:
    """A row under the CSV's keys."""
    values: dict[str, Any] = {
        "dataset": row.request.dataset.name,
        "method": row.label,
        "n_seeds": row.seeds,
        "status": row.status,
        "train_seconds": None if row.train_seconds is None else round(row.train_seconds, 1),
        "params": row.params,
    }
    for name in ("nll", "fid", "nfe"):
        found = row.cell(name)
        values[name] = found[1].mean if found else None
        values[f"{name}_ci"] = found[1].interval if found else None
        if found and name == "nll":
            values |= {"nll_unit": found[0].unit, "nll_family": found[1].family}
        if found and name == "fid":
            values["fid_features"] = found[1].family
    return {key: values.get(key) for key in CSV_COLUMNS}


def extras(row: Row) -> dict[str, Any]:
    """What JSON says of a row beyond the CSV."""
    return {
        "family": row.family,
        "overrides": dict(row.overrides),
        "reasons": list(row.reasons),
        "train": row.request.train.model_dump(),
        "network": row.request.network.model_dump(),
        "sampler": dict(row.sampler),
        "training": [{key: value for key, value in one.dump().items() if key != "schema"} for one in row.summaries],
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
        "paired": {} if rank is None else differences(row, group, column),
        "measurement_error": cell.error,
        "sets": cell.sets,
        "warnings": list(cell.warnings),
        "unit": column.unit,
        "family": cell.family,
        "n": column.n,
        "protocol": json.loads(column.protocol),
    }


def differences(row: Row, group: Sequence[Row], column: Column) -> dict[str, dict[str, float]]:
    """This row less each other that competes in the column, seed by seed."""
    others = [other for other in group if other is not row and comparable(other, column)]
    found = {other.label: paired(row.cells[column], other.cells[column]) for other in others}
    return {label: {"mean": one.mean, "ci": one.interval} for label, one in found.items() if one is not None}
