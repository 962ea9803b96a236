"""Which dataset and which methods of a store a figure shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.table import label
from fmbench.report.view import matching
from fmbench.store.run import RunDirectory, find_runs, subfolders


def dataset_of(root: Path) -> str:
    """The dataset of a store of one.

    Raises:
        FmbenchError: there is none, or there are several to choose from.
    """
    names = [folder.name for folder in subfolders(root) if next(find_runs(root, folder.name), None)]
    if not names:
        raise FmbenchError(f"no runs in {str(root)!r}: run 'fmbench run' first, or give --results-dir")
    if len(names) > 1:
        raise FmbenchError(f"runs of {', '.join(names)} in {str(root)!r}: choose one by --dataset")
    return names[0]


def runs_of(order: Order) -> list[RunDirectory]:
    """The runs of the methods asked for, every seed of them.

    Raises:
        FmbenchError: there are no runs, or none of a method asked for.
    """
    runs = list(find_runs(order.root, order.dataset))
    if not runs:
        raise FmbenchError(
            f"no runs of {order.dataset!r} in {str(order.root)!r}: run 'fmbench run --dataset {order.dataset}' first, "
            "or give --results-dir"
        )
    wanted = matching({run.method for run in runs}, order.rows)
    return [run for run in runs if run.method in wanted]


def names_of(runs: Iterable[RunDirectory]) -> dict[Path, str]:
    """The names of configurations, by their folder: the method, and what tells them apart where it has several."""
    folders: dict[str, dict[Path, RunDirectory]] = defaultdict(dict)
    for run in runs:
        folders[run.method].setdefault(run.path.parent, run)
    names: dict[Path, str] = {}
    for method, twins in folders.items():
        records = {folder: run.record() for folder, run in twins.items()} if len(twins) > 1 else {}
        names |= {folder: label(records[folder], list(records.values())) if records else method for folder in twins}
    return names
