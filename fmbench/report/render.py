"""A table as text: for the terminal, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fmbench.report.notes import FLOORS, notes
from fmbench.report.table import Cell, Column, Row

if TYPE_CHECKING:
    import pandas

CSV_COLUMNS = (
    "dataset", "method", "n_seeds", "status", "nll", "nll_ci", "nll_unit", "nll_family", "fid", "fid_ci",
    "fid_features", "nfe", "nfe_ci", "train_seconds", "params",
)  # fmt: skip
LABELS = {"nll": "NLL", "vlb": "bound", "nll-gap": "NLL - truth", "fid": "FID", "nfe": "NFE"}
DECIMALS = {"nll": 3, "vlb": 3, "nll-gap": 3, "fid": 2, "nfe": 1}
DOWN = "\u2193"


def rich_table(rows: Sequence[Row]) -> RenderableType:
    """For a terminal: one table a dataset, its protocol and its floors below."""
    parts: list[RenderableType] = []
    for dataset, group in by_dataset(rows):
        table = Table(title=escape(dataset), box=box.SIMPLE_HEAD, title_style="bold", title_justify="left")
        for index, (text, qualifier) in enumerate(heads(group)):
            lines = Text("\n".join([text, *qualifier.split(", ")]))
            table.add_column(lines, justify="left" if index == 0 else "right", overflow="fold")
        for row in body(group):
            table.add_row(*(Text(cell) for cell in row))
        parts += [table, *(Text(line, style="dim") for line in notes(group)), Text("")]
    return Group(*parts)


def markdown(rows: Sequence[Row]) -> str:
    """GitHub's Markdown."""
    lines = []
    for dataset, group in by_dataset(rows):
        head = joined(heads(group))
        lines += [f"**{dataset}**", "", markdown_line(head), "|:--|" + "--:|" * (len(head) - 1)]
        lines += [markdown_line(row) for row in body(group)]
        lines += ["", *(f"{markdown_escape(line)}  " for line in notes(group)), ""]
    return "\n".join(lines)


def latex(rows: Sequence[Row]) -> str:
    """LaTeX with booktabs."""
    lines = ["% needs \\usepackage{booktabs}"]
    for dataset, group in by_dataset(rows):
        head = joined(heads(group))
        lines += [
            f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            "\\toprule",
            latex_line(head),
            "\\midrule",
        ]
        lines += [latex_line(row) for row in body(group)]
        lines += ["\\bottomrule", "\\end{tabular}"]
        lines += [f"% {dataset}: {line}" for line in notes(group)]
    return "\n".join(lines) + "\n"


def frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """One line a row, under CSV_COLUMNS."""
    import pandas  # half a second, only where it is used

    table = pandas.DataFrame([record(row) for row in rows], columns=list(CSV_COLUMNS))
    return table.astype({"n_seeds": "Int64", "params": "Int64"})


def csv_table(rows: Sequence[Row]) -> str:
    """One line a row, eight significant digits, empty cells where there is no number."""
    return frame(rows).to_csv(index=False, float_format="%.8g", lineterminator="\n")


def json_table(rows: Sequence[Row]) -> str:
    """An array of objects: the CSV's keys and what does not fit into them."""
    return json.dumps([{**record(row), **extras(row)} for row in rows], indent=1, ensure_ascii=False) + "\n"


RENDERERS: Mapping[str, Callable[[Sequence[Row]], str]] = {
    "csv": csv_table,
    "json": json_table,
    "latex": latex,
    "md": markdown,
}
FORMATS = ("rich", *RENDERERS)


def show(rows: Sequence[Row], form: str, console: Console) -> None:
    """Print a table in one of FORMATS; all but the first as exact bytes."""
    if form == "rich":
        console.print(rich_table(rows))
    else:
        console.file.write(RENDERERS[form](rows))


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
    """What JSON says beyond the CSV."""
    return {
        "overrides": dict(row.overrides),
        "reasons": list(row.reasons),
        "train": row.request.train.model_dump(),
        "network": row.request.network.model_dump(),
        "sampler": dict(row.sampler),
        "numbers": [
            {
                "name": column.name,
                "mean": cell.mean,
                "ci": cell.interval,
                "n_seeds": cell.seeds,
                "measurement_error": cell.error,
                "unit": column.unit,
                "family": cell.family,
                "n": column.n,
                "protocol": json.loads(column.protocol),
            }
            for column, cell in sorted(row.cells.items(), key=lambda item: item[0].name)
        ],
    }


def by_dataset(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Rows in the order given, grouped by dataset."""
    return [(name, list(group)) for name, group in groupby(rows, key=lambda row: row.request.dataset.name)]


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """The columns that any row has a number in; floors are notes."""
    found = {column for row in rows for column in row.cells if column.name not in FLOORS}
    order = list(LABELS)

    def position(column: Column) -> tuple[int, str, str, str, int, str]:
        rank = order.index(column.name) if column.name in order else len(order)
        return rank, column.name, column.unit, column.family, column.n, column.protocol

    return sorted(found, key=position)


def heads(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The column heads, each with its unit or protocol; twins of one number are told apart by what differs in them."""
    columns = columns_of(rows)
    plainly = [head(column) for column in columns]
    texts = []
    for column, (text, qualifier) in zip(columns, plainly, strict=True):
        twins = [json.loads(other.protocol) for other in columns if head(other) == (text, qualifier)]
        mine = json.loads(column.protocol)
        apart = [f"{key}={mine[key]}" for key in sorted(mine) if any(twin.get(key) != mine[key] for twin in twins)]
        texts.append((f"{text} {DOWN}", ", ".join([qualifier, *apart] if qualifier else apart)))
    return [("method", ""), ("seeds", ""), *texts, ("train", "s"), ("params", "")]


def head(column: Column) -> tuple[str, str]:
    """A column's name, and its unit or protocol."""
    label = LABELS.get(column.name, column.name)
    if column.name == "nll" and column.unit == "bits/dim":
        return label, f"{column.unit}, K={json.loads(column.protocol)['draws']}"
    if column.family and column.name != "vlb":
        return label, f"{column.family}, n={column.n}"
    return label, column.unit


def joined(heads_: Iterable[tuple[str, str]]) -> list[str]:
    """Heads on one line."""
    return [f"{text} ({qualifier})" if qualifier else text for text, qualifier in heads_]


def body(rows: Sequence[Row]) -> list[list[str]]:
    """The cells as text."""
    columns = columns_of(rows)
    lines = []
    for row in rows:
        known = [
            text_of(column, row.cells[column]) if column in row.cells else missing(row, column) for column in columns
        ]
        seconds = "" if row.train_seconds is None else f"{row.train_seconds:.0f}"
        params = "" if row.params is None else si(row.params)
        lines.append([row.label, str(row.seeds), *known, seconds, params])
    return lines


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


def text_of(column: Column, cell: Cell) -> str:
    """mean, or mean ± interval over seeds."""
    decimals = DECIMALS.get(column.name, 3)
    interval = "" if cell.interval is None else f" \u00b1 {cell.interval:.{decimals}f}"
    return f"{cell.mean:.{decimals}f}{interval}"


def markdown_line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(markdown_escape(cell) for cell in cells) + " |"


def markdown_escape(text: str) -> str:
    """Text without its Markdown meaning."""
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]" else letter for letter in text)


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", DOWN: r"$\downarrow$", "\u00b1": r"$\pm$", "\u2013": "--",
}  # fmt: skip


def latex_line(cells: Iterable[str]) -> str:
    """A line of a LaTeX table."""
    return " & ".join("".join(LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"
