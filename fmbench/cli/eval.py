"""fmbench eval: more numbers of what is trained already."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.options import (
    DEFAULT_RESULTS,
    INTERRUPTED,
    Datasets,
    Device,
    Metrics,
    Plugin,
    ResultsDir,
    Set,
    names,
)
from fmbench.discovery import load_plugins


def command(
    metrics: Metrics = None,
    methods: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    dataset: Datasets = None,
    set_: Set = None,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    device: Device = "auto",
    renew: Annotated[bool, typer.Option("--renew", help="Measure again what is there already.")] = False,
    plugin: Plugin = None,
) -> None:
    """Measure trained runs from their checkpoints, without training; numbers that are there already are kept.

    Keys of --set: sampler.* and those of metrics, as nll.draws=20.
    """
    from fmbench import commands  # here, so that --help does not wait for pydantic and YAML
    from fmbench.report.render import rich_table

    console = Console(stderr=True, highlight=False)
    plugins = load_plugins(plugin or [])
    cells = commands.plan_evaluation(
        plugins,
        results=results_dir,
        methods=None if methods is None else names(methods),
        dataset=None if dataset is None else names(dataset),
        metrics=None if metrics is None else names(metrics),
        assignments=set_ or [],
    )
    try:
        outcome = commands.evaluate(cells, plugins, results=results_dir, device=device, renew=renew, console=console)
    except KeyboardInterrupt:
        console.print("interrupted: what was measured is kept; the same command goes on from there", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    Console(highlight=False).print(rich_table(outcome.rows))
    if not outcome.complete:
        raise typer.Exit(1)
