"""Runs of one store taken into another: whole or not at all, and no number lost or replaced on the way."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fmbench.errors import FmbenchError
from fmbench.store import files
from fmbench.store.leftovers import discard
from fmbench.store.locks import is_held
from fmbench.store.measurements import union
from fmbench.store.migrations import NewerSchemaError
from fmbench.store.records import TrainingSummary
from fmbench.store.run import RunDirectory, find_runs

Kind = Literal["copied", "extended", "same", "conflict"]


@dataclass(frozen=True)
class Step:
    """What becomes of one run of another store.

    Args:
        kind: "copied" if it is absent here, or no better than absent; "extended" if it has what the run here has not.
        source: the run there.
        place: where it is here, or will be.
        problem: of a conflict: what differs, and by how much.
    """

    kind: Kind
    source: RunDirectory
    place: RunDirectory
    problem: str = ""

    def carry_out(self) -> None:
        """Change the store.

        Raises:
            FmbenchError: the file system refuses; the run here is as it was.
        """
        if self.kind == "copied":
            copy(self.source, self.place)
        elif self.kind == "extended":
            extend(self.place, self.source)


class Merge:
    """A store that takes runs in.

    Args:
        results: the store; the caller holds its lock.

    Raises:
        FmbenchError: one of its runs cannot be read.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        self._places = {directory.record().id: directory for directory in find_runs(results)}

    def steps(self, source: Path) -> Iterator[Step]:
        """What becomes of the runs of another store, one by one: carry each out before the next.

        Raises:
            FmbenchError: it is no store, or this one; or a newer fmbench wrote it, before any step.
        """
        if not source.is_dir():
            raise FmbenchError(f"no results directory {str(source)!r} to merge")
        if source.resolve() == self.results.resolve():
            raise FmbenchError(f"{str(source)!r} is the store to merge into: name another, or give --results-dir")
        runs = list(find_runs(source))
        if not runs:
            raise FmbenchError(f"no runs in {str(source)!r}: name a results directory, as 'fmbench run' fills it")
        for run in runs:
            try:
                run.record()
            except NewerSchemaError:
                raise
            except FmbenchError:
                continue  # a conflict, when its turn comes
        for run in runs:
            yield self._step(run, RunDirectory(self.results / run.path.relative_to(source)))

    def _step(self, source: RunDirectory, place: RunDirectory) -> Step:
        try:
            id_ = source.record().id
            place = self._places.setdefault(id_, place)
            kind, problem = fate(source, place)
        except NewerSchemaError:
            raise
        except FmbenchError as error:
            return Step("conflict", source, place, str(error))
        return Step(kind, source, place, problem)


def fate(source: RunDirectory, place: RunDirectory) -> tuple[Kind, str]:
    """What becomes of a run, given where it belongs, and why nothing can if it is a conflict.

    Raises:
        FmbenchError: a file of either cannot be read.
    """
    if vacant(place.path):
        progress(source), source.metrics()  # a run that no table could read is not taken in
        return "copied", ""
    if not (place.path / "run.json").is_file():
        return "conflict", f"{place.path} is in its place and holds no run: move it away"
    if place.record().id != source.record().id:
        return "conflict", f"{place.path} is in its place and holds another request ({place.record().id})"
    if is_held(place.path / "run.json"):
        return "conflict", "is running here: merge again when it has ended"
    if source.training() != place.training():
        return trained_apart(source, place)
    numbers = union(list(place.lines()), list(source.lines()))
    if numbers.differences:
        return "conflict", "; ".join(numbers.differences)
    grown = len(numbers.lines) > sum(1 for _ in place.lines())
    return ("extended" if grown or finishes(source, place) else "same"), ""


def vacant(path: Path) -> bool:
    """Whether nothing is in a run's place."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def trained_apart(source: RunDirectory, place: RunDirectory) -> tuple[Kind, str]:
    """What becomes of a run that is trained in one store alone, or in both on its own.

    Weights that gave no number yet give way to a run that is further on; numbers never do.
    """
    ahead = progress(source) > progress(place)
    if ahead and not has_numbers(place):
        return "copied", ""
    if not ahead and not has_numbers(source):
        return "same", ""
    return "conflict", f"trained twice: {cost(place.training())} here, {cost(source.training())} there"


def progress(run: RunDirectory) -> tuple[bool, bool]:
    """How far a run has come: whether it is done, and whether it is trained."""
    return run.status().state == "done", run.training() is not None


def has_numbers(run: RunDirectory) -> bool:
    """Whether anything was measured."""
    return any(record.value is not None for record in run.metrics())


def finishes(source: RunDirectory, place: RunDirectory) -> bool:
    """Whether a run is done there and not here."""
    return source.status().state == "done" and place.status().state != "done"


def cost(summary: TrainingSummary | None) -> str:
    """A training in a few words."""
    if summary is None:
        return "not to the end"
    loss = "" if summary.final_loss is None else f" to a loss of {summary.final_loss:.6g}"
    return f"in {summary.seconds:.6g} s{loss}"


def copy(source: RunDirectory, place: RunDirectory) -> None:
    """Copy a run whole, in the place of what is there; a reader finds no half of it."""
    part = files.part_of(place.path)

    def move() -> None:
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source.path, part, ignore=parts, copy_function=copy_synced)
        old = files.part_of(place.path.with_name(f"{place.path.name}.old"))
        if place.path.exists():
            place.path.rename(old)
        part.rename(place.path)
        discard(old)

    try:
        refused(move, place.path)
    finally:
        discard(part)


def extend(place: RunDirectory, source: RunDirectory) -> None:
    """Add what another copy of a run has, the state last: interrupted, the same merge goes on from there."""
    for file in sorted([*source.samples.glob("*.npy"), *source.pictures.glob("*.npz")]):
        copied = place.path / file.relative_to(source.path)
        if not copied.exists():
            files.write_bytes(copied, file.read_bytes())
    # After the files that belong to them: once the numbers are there, no merge looks at this run again.
    place.replace_lines(union(list(place.lines()), list(source.lines())).lines)
    place.adopt_environment(source)
    if finishes(source, place):
        place.set_status(source.status())


def refused(change: Callable[[], None], path: Path) -> None:
    """Make a change to the store; a refusal of the file system is one line."""
    try:
        change()
    except shutil.Error as error:  # of several files, each with its reason
        _, _, reason = error.args[0][0]
        raise FmbenchError(f"cannot copy to {path}: {reason}") from error
    except OSError as error:
        raise FmbenchError(f"cannot copy to {path}: {error.strerror or error}") from error


def parts(_: str, names: list[str]) -> list[str]:
    """What of a folder was never finished, as `shutil.copytree` asks."""
    return [name for name in names if files.is_part(name)]


def copy_synced(source: str, destination: str) -> None:
    """Copy a file and wait until it is on the disk, so that the renaming that follows never comes first."""
    shutil.copy2(source, destination)
    with Path(destination).open("rb") as stream:
        os.fsync(stream.fileno())


def summary(steps: Iterable[Step]) -> str:
    """As "12 runs copied, 3 extended, 85 the same, 1 conflict"."""
    count = Counter(step.kind for step in steps)
    conflicts = f"{count['conflict']} conflict{'' if count['conflict'] == 1 else 's'}"
    runs = "run" if count["copied"] == 1 else "runs"
    return f"{count['copied']} {runs} copied, {count['extended']} extended, {count['same']} the same, {conflicts}"
