"""fmbench table: the table again, from the results alone."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fmbench.cli.options import DEFAULT_RESULTS, Datasets, ResultsDir, chosen
from fmbench.errors import FmbenchError, unknown

if TYPE_CHECKING:
    from pathlib import Path

    from fmbench.report.sheet import Sheet
    from fmbench.report.table import Row


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
    against: Annotated[
        str | None,
        typer.Option(
            metavar="published[:DATASET]", help="The papers' numbers beside these; of another dataset if it is named."
        ),
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Two rows: their differences, paired by seed, with intervals."),
    ] = None,
) -> None:
    """Print the table of a results directory; the same bytes for the same directory.

    What other code or data has made than there is now is told beside it, on standard error.
    """
    from fmbench.report.columns import chosen as known_columns  # here, so that --help does not wait for pydantic
    from fmbench.report.render import FORMATS, show, show_sheets
    from fmbench.report.table import build
    from fmbench.report.view import View, select

    if against is not None and compare is not None:
        raise FmbenchError("--against and --compare are two tables: give one of them")
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    gc.disable()  # records form no cycles; looking for some among those of a large store takes a fifth of the time
    found = select(build(results_dir, chosen(dataset)), chosen(rows) or [], condition or [])
    shown = None if columns is None else known_columns(found, chosen(columns) or [])
    view, console = View(shown, sort), Console(highlight=False)
    if against is not None:
        show_sheets(published(found, against), form, console)
    elif compare is not None:
        from fmbench.report.differences import compared

        show_sheets(compared(found, *compare, view), form, console)
    else:
        show(found, form, console, view)
    tell_stale(results_dir, found)


def tell_stale(results: Path, rows: Sequence[Row]) -> None:
    """Say on standard error which of the rows' runs and numbers are stale: what is there now is no part of a table."""
    from fmbench.registry.discovery import load_plugins
    from fmbench.report.stale import stale_lines
    from fmbench.store.run import find_runs

    shown = {(row.request.dataset.name, row.request.method.name) for row in rows}
    datasets = sorted({dataset for dataset, _ in shown})
    directories = (run for run in find_runs(results, *datasets) if run.configuration[:2] in shown) if rows else ()
    console = Console(stderr=True, highlight=False)
    for line in stale_lines(directories, rows, load_plugins().code):
        console.print(line, markup=False, soft_wrap=True)


def published(rows: Sequence[Row], asked: str) -> list[Sheet]:
    """What --against asks for.

    Raises:
        FmbenchError: it is not "published", with or without a dataset.
    """
    from fmbench.report.published import against

    word, _, dataset = asked.partition(":")
    if word != "published":
        raise FmbenchError(
            f"--against {asked!r}: write published, or published:cifar10 for the papers' numbers on other data"
        )
    return against(rows, dataset or None)
