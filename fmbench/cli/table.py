"""fmbench table: the table again, from the results alone."""

from __future__ import annotations

import gc
from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.options import DEFAULT_RESULTS, Datasets, ResultsDir, chosen
from fmbench.errors import unknown


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Datasets = None,
    form: Annotated[str, typer.Option("--format", help="rich, md, latex, html, csv or json.")] = "rich",
    rows: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Methods to show, as fm-*,ddpm; all if not given.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAMES|all", help="Numbers to show, as nll,kid; the headline ones if not given."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="CONDITION", help="As nfe<200 or family=diffusion; repeat to ask for more."),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(metavar="NAME", help="Order by a number, as nll, or -nll for the largest first; not by family."),
    ] = "",
) -> None:
    """Print the table of a results directory; the same bytes for the same directory."""
    from fmbench.report.grid import chosen as known_columns  # here, so that --help does not wait for pydantic
    from fmbench.report.render import FORMATS, show
    from fmbench.report.table import build
    from fmbench.report.view import View, select

    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    gc.disable()  # records form no cycles; looking for some among those of a large store takes a fifth of the time
    found = select(build(results_dir, chosen(dataset)), chosen(rows) or [], condition or [])
    shown = None if columns is None else known_columns(found, chosen(columns) or [])
    show(found, form, Console(highlight=False), View(shown, sort))
