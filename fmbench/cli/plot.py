"""fmbench plot: pictures, from the results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fmbench.cli.options import DEFAULT_RESULTS, ResultsDir
from fmbench.errors import unknown

KINDS = ("samples",)


def command(
    kind: Annotated[str, typer.Argument(metavar="|".join(KINDS), help="What to draw.")] = "samples",
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Annotated[str, typer.Option("--dataset", help="Whose runs to draw.")] = "digits",
    output: Annotated[Path, typer.Option("--output", help="A .png, .svg or .pdf file.")] = Path("samples.png"),
) -> None:
    """Draw samples of every method, side by side."""
    if kind not in KINDS:
        raise unknown("kind of picture", kind, KINDS)
    from fmbench.report.figures import plot_samples  # here, so that --help does not wait for NumPy

    plot_samples(results_dir, dataset, output)
    typer.echo(f"wrote {output}")
