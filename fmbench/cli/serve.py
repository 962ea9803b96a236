"""fmbench serve: the page of the results while they grow."""

from __future__ import annotations

from typing import Annotated

import typer

from fmbench.cli.options import DEFAULT_RESULTS, INTERRUPTED, Datasets, ResultsDir, chosen


def command(
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dataset: Datasets = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="To listen on; 0 for a free one.")] = 8765,
    host: Annotated[str, typer.Option(help="To listen on; 0.0.0.0 lets other machines see the results.")] = "127.0.0.1",
) -> None:
    """Show the page of `fmbench report` in a browser, with what runs; it follows the results until Ctrl-C."""
    from fmbench.report.page.live import Site  # here, so that --help does not wait for pydantic
    from fmbench.report.page.server import PageServer

    with PageServer(Site(results_dir, chosen(dataset)), host, port) as server:
        typer.echo(f"{results_dir} at {server.address} until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
