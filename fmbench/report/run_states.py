"""How the runs of a store stand, from their status.json and locks alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench.store.locks import is_held
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory, find_runs

LOST = "lost"  # says that it runs, and no process holds it
ORDER = ("running", LOST, "queued", "failed", "timeout", "done")


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Args:
        directory: of the run.
        dataset: of the run.
        name: for people.
        state: one of ORDER.
        status: as the run tells it.
    """

    directory: RunDirectory
    dataset: str
    name: str
    state: str
    status: StatusRecord


def run_states(root: Path, datasets: Sequence[str] | None = None) -> Iterator[RunState]:
    """Every run of a store, or of some datasets.

    Raises:
        FmbenchError: a folder cannot be read, or a status is damaged.
    """
    for directory in find_runs(root, *(datasets or ())):
        status = directory.status()
        lost = status.state == "running" and not is_held(directory.path / "run.json")
        dataset, state = directory.configuration[0], LOST if lost else status.state
        yield RunState(directory, dataset, directory.title, state, status)
