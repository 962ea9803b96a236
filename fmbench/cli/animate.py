"""fmbench animate: points on their way from noise to data, from the results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.options import DEFAULT_RESULTS, OneDataset, ResultsDir, names


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: OneDataset = None,
    methods: Annotated[
        str | None, typer.Option("--methods", metavar="NAMES", help="Flows to show, as fm-ot,ddpm; all if not given.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="A .gif file, or .mp4 where ffmpeg is installed.")] = Path(
        "flow.gif"
    ),
) -> None:
    """Show how points of the plane flow from noise to data, several methods side by side.

    From what `fmbench eval --metrics portrait` recorded: no weights are needed.
    """
    from fmbench.progress import progress_bar  # here, so that --help does not wait for pydantic
    from fmbench.report.animation import animate
    from fmbench.report.figures import Order
    from fmbench.report.figures.select import dataset_of

    shown = dataset or dataset_of(results_dir)
    with progress_bar(Console(stderr=True), shown) as progress:
        animate(Order(results_dir, shown, tuple(names(methods or ""))), output, progress)
    typer.echo(f"wrote {output}")
