"""fmbench table: the table again, from the results alone."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.options import DEFAULT_RESULTS, Dataset, ResultsDir
from fmbench.errors import FmbenchError


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Dataset = None,
    form: Annotated[str, typer.Option("--format", help="rich, md, latex, csv or json.")] = "rich",
) -> None:
    """Print the table of a results directory; the same bytes for the same directory."""
    from fmbench.report.render import FORMATS, show  # here, so that --help does not wait for pydantic
    from fmbench.report.table import build

    if form not in FORMATS:
        raise FmbenchError(f"--format {form!r}: choose {', '.join(FORMATS)}")
    show(build(results_dir, dataset), form, Console(highlight=False))
