"""fmbench gc: the disk space of what is no longer needed."""

from __future__ import annotations

import typer

from fmbench.cli.options import DEFAULT_RESULTS, DryRun, ResultsDir
from fmbench.errors import FmbenchError


def command(results_dir: ResultsDir = DEFAULT_RESULTS, dry_run: DryRun = False) -> None:
    """Remove the weights of finished runs (checkpoints, snapshots, teachers) and what crashes left half written.

    Numbers, samples, pictures and logs stay. But `fmbench eval` cannot measure those runs any more: a further number
    would mean to train again. Runs that are queued, running or failed keep their weights.
    """
    from contextlib import nullcontext  # here, so that --help does not wait for pydantic

    from fmbench.store.leftovers import leftovers, remove, size, weights
    from fmbench.store.locks import store_lock

    if not results_dir.is_dir():
        raise FmbenchError(f"no results directory {str(results_dir)!r}: give --results-dir")
    with nullcontext() if dry_run else store_lock(results_dir):
        trained, torn = list(weights(results_dir)), list(leftovers(results_dir))
        freed = sum(map(size, [*trained, *torn])) / 1e6
        for path in [] if dry_run else [*trained, *torn]:
            remove(path)
    runs = len({path.parent for path in trained})
    would = "would free" if dry_run else "freed"
    typer.echo(f"{would} {freed:.1f} MB: the weights of {runs} finished runs, {len(torn)} left-over files and folders")
