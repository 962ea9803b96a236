"""fmbench table: the table again, from the results alone."""

from __future__ import annotations

import gc
from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.options import DEFAULT_RESULTS, Dataset, ResultsDir, names
from fmbench.errors import FmbenchError


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Dataset = None,
    form: Annotated[str, typer.Option("--format", help="rich, md, latex, csv or json.")] = "rich",
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES|all", help="Numbers to show, as nll,kid; the headline ones if not given."),
    ] = None,
) -> None:
    """Print the table of a results directory; the same bytes for the same directory."""
    from fmbench.report.grid import chosen  # here, so that --help does not wait for pydantic
    from fmbench.report.render import DATA, FORMATS, show
    from fmbench.report.table import build

    if form not in FORMATS:
        raise FmbenchError(f"--format {form!r}: choose {', '.join(FORMATS)}")
    if columns is not None and form in DATA:
        raise FmbenchError(f"--columns with --format {form}: leave it out, {form} has the same keys always")
    gc.disable()  # records form no cycles; looking for some among those of a large store takes a fifth of the time
    rows = build(results_dir, dataset)
    shown = None if columns is None else chosen(rows, names(columns))
    show(rows, form, Console(highlight=False), shown)
