"""fmbench plot: figures for papers, from the results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fmbench.cli.options import DEFAULT_RESULTS, OneDataset, Plugin, ResultsDir, names
from fmbench.report.figures import KINDS, Order, draw, kind_of

HELP = "\n".join(
    [
        "Draw a figure at the width of a paper's page: PNG, SVG or PDF, from the results alone.",
        "",
        "\b",
        "Kinds:",
        *(f"  {name:<12}{kind.summary}" for name, kind in KINDS.items()),
        "",
        "As: fmbench plot samples --dataset digits --rows 'fm-*,ddpm' --output samples.pdf",
    ]
)


def command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="One of the kinds above.")] = "samples",
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: OneDataset = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="NAMES", help="Methods to show, as ddpm,fm-*; all if not given.")
    ] = None,
    number: Annotated[str, typer.Option("--number", metavar="NAME", help="Which number to draw, as nll or fid.")] = "",
    cost: Annotated[str, typer.Option("--cost", help="What to draw it against: nfe or train-seconds.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", help="A .png, .svg or .pdf file; KIND-DATASET.png if not given.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """As HELP says."""
    from fmbench.report.figures.select import dataset_of  # here, so that --help does not wait for pydantic
    from fmbench.report.figures.style import check_suffix, save

    kind_of(kind)
    if output is not None:
        check_suffix(output)  # before the work
    shown = dataset or dataset_of(results_dir)
    order = Order(results_dir, shown, tuple(names(rows or "")), number, cost, tuple(plugin or ()))
    picture = draw(kind, order)
    path = output or Path(f"{kind}-{shown}.png")
    save(picture, path)
    typer.echo(f"wrote {path}")
