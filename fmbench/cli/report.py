"""fmbench report: the results as one HTML file."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from fmbench.cli.options import DEFAULT_RESULTS, Datasets, ResultsDir, chosen


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Datasets = None,
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("report.html"),
) -> None:
    """Write a page with tables, plots, samples and the provenance of every run: one file that needs no network."""
    from fmbench.report.page.document import saved  # here, so that --help does not wait for pydantic
    from fmbench.report.page.model import gather
    from fmbench.store.files import write_text

    gc.disable()  # as for the table: records form no cycles
    write_text(output, saved(gather(results_dir, chosen(dataset))))
    typer.echo(f"wrote {output}")
