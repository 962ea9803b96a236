"""How long what is asked will take, from what finished runs of the store took. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from fmbench import durations
from fmbench.errors import FmbenchError
from fmbench.request.schema import RunRequest, Sampler, TrainingRequest, canonical
from fmbench.store import files
from fmbench.store.coverage import measured, missing
from fmbench.store.records import NOT_APPLICABLE
from fmbench.store.run import BENCH, RunDirectory

# A store may hold thousands of runs, and few of them tell as much as all.
CONFIGURATIONS = 20  # of a method on a dataset that are looked at, the newest
SEEDS = 3  # of each
ENOUGH = 20  # runs to take the median of


@dataclass(frozen=True)
class TimeLeft:
    """A guess at what is left of a run.

    Args:
        seconds: that it will take; 0 of what is done.
        runs: the directories of the finished runs that it is from.
    """

    seconds: float = 0.0
    runs: frozenset[Path] = frozenset()

    def __add__(self, other: TimeLeft) -> TimeLeft:
        return TimeLeft(self.seconds + other.seconds, self.runs | other.runs)


def time_left(planned: Sequence[tuple[RunRequest, RunDirectory]], results: Path) -> list[TimeLeft | None]:
    """What is left of each run, one after the other; None where nothing of its dataset tells.

    A training that several planned runs share counts for the first of them, and so does a number. A stretch of it is
    judged by finished runs of the same method with the same network, batch size and precision, all compiled or none,
    else by the method's others (in proportion to the images), else by what `fmbench bench` found, else by other methods
    on the dataset; a metric likewise. What the runs ran on is not looked at.

    Args:
        planned: what is asked, each with the directory that it lives in.
        results: the store, of which only these datasets are read, and of those only what is needed.
    """
    history = History(results)
    counted: set[object] = set()
    return [left_of(run, directory, history, counted) for run, directory in planned]


def describe(estimates: Sequence[TimeLeft | None]) -> str:
    """A grid's estimates together, as "about 3 h 20 min on one slot, from 12 finished runs"."""
    known = [left for left in estimates if left is not None]
    unknown = len(estimates) - len(known)
    total = sum(known, TimeLeft())
    if not total.seconds:
        nothing = "no finished runs to estimate from: `fmbench bench` measures this machine"
        return nothing if unknown else "nothing is left to do"
    finished = [path for path in total.runs if BENCH not in path.parts]
    counts = [f"{len(finished)} finished run{'s' if len(finished) > 1 else ''}"] if finished else []
    counts += ["the pace of `fmbench bench`"] if len(finished) < len(total.runs) else []
    origin = f", from {' and '.join(counts)}" if counts else ""
    beside = f"; beside them {unknown} of unknown length" if unknown else ""
    return f"about {durations.show(total.seconds)} on one slot{origin}{beside}"


@dataclass(frozen=True)
class Past:
    """A run whose training ended."""

    directory: RunDirectory
    request: TrainingRequest
    seconds_per_step: float

    def is_like(self, other: TrainingRequest) -> bool:
        """Whether a step of its computes as many products as one of another request, in the same way."""
        own, theirs = (
            (asked.network, asked.train.batch_size, asked.train.precision, asked.train.compile)
            for asked in (self.request, other)
        )
        return own == theirs

    def cost(self, metric: str, protocol: Mapping[str, Any], key: str) -> float | None:
        """Seconds that a metric took here; in proportion to the work where it was measured under another protocol.

        Args:
            metric: its name.
            protocol: that it is to be measured under.
            key: the protocol's canonical JSON.
        """
        there = self._measurements.get(metric)
        if not there:
            return None
        if key in there:
            return there[key][1]
        other, seconds = next(iter(there.values()))
        return seconds * relative_work(protocol, other)

    @cached_property
    def _measurements(self) -> dict[str, dict[str, tuple[Mapping[str, Any], float]]]:
        """By metric and protocol: the protocol and the seconds."""
        there: dict[str, dict[str, tuple[Mapping[str, Any], float]]] = {}
        try:
            records = self.directory.metrics()
        except FmbenchError:
            return there  # whoever asks for that run will hear of it
        for record in records:
            if record.reason != NOT_APPLICABLE:
                entry = record.protocol, record.seconds
                there.setdefault(record.metric, {})[canonical(record.protocol)] = entry
        return there


@dataclass(frozen=True)
class History:
    """The finished runs of a store, read where they are asked for.

    Args:
        results: the store.
    """

    results: Path
    _read: dict[Path, list[Past]] = field(default_factory=dict)

    def like(self, run: RunRequest) -> Iterator[list[Past]]:
        """Groups of finished runs on a run's dataset, the most alike first; a group is read when it is asked for."""
        training = run.training
        roots = [root / training.dataset.name for root in (self.results, self.results / BENCH)]

        def alike(runs: list[Past]) -> list[Past]:
            return [past for past in runs if past.is_like(training)]

        for root in roots:
            own = self._of(root / training.method.name)
            yield alike(own)
            yield own
        for root in roots:
            others = sorted(other for other in root.glob("*") if other.name != training.method.name)
            rest = [past for other in others for past in self._of(other)]
            yield alike(rest)
            yield rest

    def _of(self, folder: Path) -> list[Past]:
        """The finished runs of a method on a dataset, the newest configurations first."""
        if folder not in self._read:
            newest = sorted(folder.glob("*"), key=lambda path: (-path.stat().st_mtime, path.name))[:CONFIGURATIONS]
            seeds = [
                RunDirectory(summary.parent)
                for configuration in newest
                for summary in islice(configuration.glob("seed-*/training.json"), SEEDS)
            ]
            self._read[folder] = [past for past in map(recall, seeds) if past is not None]
        return self._read[folder]


def recall(directory: RunDirectory) -> Past | None:
    """A run as a precedent; None if it cannot be read: whoever asks for that run will hear of it."""
    try:
        request, summary = directory.request(), directory.training()
    except FmbenchError:
        return None
    if summary is None:
        return None
    return Past(directory, request, summary.seconds / (summary.steps or request.train.steps))


def left_of(run: RunRequest, directory: RunDirectory, history: History, counted: set[object]) -> TimeLeft | None:
    """What is left of one run without what is counted already; notes down what it counts."""
    parts: list[TimeLeft | None] = []
    if directory.training() is None and directory not in counted:
        counted.add(directory)
        parts.append(training_left(run, directory, history))
    records = directory.metrics()
    for metric in missing(run, directory):
        number = directory, metric, canonical(run.evaluation.protocol(metric))
        if number not in counted and not measured(run, records, metric):
            counted.add(number)
            parts.append(measurement(run, metric, history))
    known = [part for part in parts if part is not None]
    return sum(known, TimeLeft()) if len(known) == len(parts) else None


def training_left(run: RunRequest, directory: RunDirectory, history: History) -> TimeLeft | None:
    """The rest of a training, by its own log where that has two lines, for they tell best."""
    train = run.training.train
    log = [line for line in files.read_lines(directory.train_log) if {"step", "seconds"} <= set(line)]
    budget = run.training.budget
    if budget is not None:
        spent = log[-1]["seconds"] if log else 0.0
        return TimeLeft(max(0.0, budget.seconds - spent)) if budget.seconds else None
    left = train.steps - (log[-1]["step"] if log else 0)
    if len(log) > 1:
        steps, seconds = (log[-1][key] - log[0][key] for key in ("step", "seconds"))
        return TimeLeft(left * seconds / steps)
    images = left * train.batch_size
    return typical(history.like(run), lambda past: images * past.seconds_per_step / past.request.train.batch_size)


def measurement(run: RunRequest, metric: str, history: History) -> TimeLeft | None:
    """One metric of a run."""
    protocol = run.evaluation.protocol(metric)
    key = canonical(protocol)
    return typical(history.like(run), lambda past: past.cost(metric, protocol, key))


def typical(groups: Iterable[list[Past]], cost: Callable[[Past], float | None]) -> TimeLeft | None:
    """The median over runs of the first group that tells; None if none does."""
    for group in groups:
        told = ((past.directory.path, seconds) for past in group if (seconds := cost(past)) is not None)
        if costs := dict(islice(told, ENOUGH)):
            return TimeLeft(median(costs.values()), frozenset(costs))
    return None


def relative_work(asked: Mapping[str, Any], known: Mapping[str, Any]) -> float:
    """The points times the steps that one protocol samples over those of another; 1 where neither samples.

    An adaptive solver's steps are not known, so beside one the steps do not count.
    """
    samplers = asked.get("sampler"), known.get("sampler")
    if None in samplers:
        return 1.0
    first, other = map(Sampler.model_validate, samplers)
    steps = first.steps / other.steps if first.steps and other.steps else 1.0
    return steps * first.samples * first.draws / (other.samples * other.draws)
