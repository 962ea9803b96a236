"""fmbench merge: runs of other results directories into this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fmbench.cli.options import DEFAULT_RESULTS, DryRun, ResultsDir


def command(
    sources: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Results directories to take runs from.")],
    results_dir: ResultsDir = DEFAULT_RESULTS,
    dry_run: DryRun = False,
) -> None:
    """Take the runs of other results directories into this one; nothing that is here is lost.

    A run that both have gets the numbers of both. One that was trained twice, or whose numbers differ, is named and
    left as it is here; the exit status is 1 then.
    """
    from contextlib import nullcontext  # here, so that --help does not wait for pydantic

    from fmbench.store.leftovers import remove, temporary_folders
    from fmbench.store.locks import store_lock
    from fmbench.store.merging import Merge, summary

    steps = []
    with nullcontext() if dry_run else store_lock(results_dir):
        for path in [] if dry_run else list(temporary_folders(results_dir)):
            remove(path)
        merge = Merge(results_dir)
        for source in sources:
            for step in merge.steps(source):
                if step.kind == "conflict":
                    typer.echo(f"conflict: {step.source.path}: {step.problem}")
                elif not dry_run:
                    step.carry_out()
                steps.append(step)
    typer.echo(summary(steps) + (" (a dry run: nothing is written)" if dry_run else ""))
    if any(step.kind == "conflict" for step in steps):
        raise typer.Exit(1)
