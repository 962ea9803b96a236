"""From the records of a store to the rows of a table: seeds averaged, protocols kept apart."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from fmbench.errors import FmbenchError
from fmbench.registry.specs import Scalar
from fmbench.report.cells import Cell, Column, ColumnCache, aggregate
from fmbench.request.schema import TrainingRequest, canonical
from fmbench.store.records import NOT_APPLICABLE, MeasuredT, RunRecord, StatusRecord, TableRecord, TrainingSummary
from fmbench.store.run import Configuration, RunDirectory, find_runs

Code = tuple[tuple[str, str], ...]
"""Digests of code by part, as (("metric fid", "..."), ...)."""
WORST_FIRST = ("failed", "timeout", "running", "queued", "done")


@dataclass(frozen=True)
class Row:
    """One method under one configuration and one evaluation.

    Args:
        request: that of one of its seeds.
        overrides: how training and evaluation differ from the defaults.
        label: the method's name and, where the table has several rows of it, what tells this one apart.
        family: the method's; "" where the store is too old to know it.
        status: the worst state of its seeds.
        failures: why its runs ended, where they did not end well.
        inapplicable: metrics that the method cannot have.
        unavailable: metrics whose numbers could not be had, and why: all numbers that lack for one reason in a line.
        cells: by column.
        sampler: how its samples were drawn.
        summaries: what training cost, by seed.
        seeds: how many training seeds it has.
        code: metrics, each with digests of code that has decided numbers of its.
    """

    request: TrainingRequest
    overrides: Mapping[str, Scalar]
    label: str
    family: str
    status: str
    failures: tuple[str, ...]
    inapplicable: frozenset[str]
    unavailable: Mapping[str, tuple[str, ...]]
    cells: Mapping[Column, Cell]
    sampler: Mapping[str, Any]
    summaries: tuple[TrainingSummary, ...]
    seeds: int
    code: frozenset[tuple[str, Code]] = frozenset()

    def cell(self, name: str) -> tuple[Column, Cell] | None:
        """The number of that name; a row has one protocol, hence one such column."""
        return next(((column, cell) for column, cell in self.cells.items() if column.name == name), None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why numbers are missing."""
        return (*self.failures, *dict.fromkeys(why for reasons in self.unavailable.values() for why in reasons))

    @property
    def train_seconds(self) -> float | None:
        """Mean over seeds."""
        return mean([summary.seconds for summary in self.summaries])

    @property
    def params(self) -> int | None:
        """How many parameters a sample needs."""
        return self.summaries[0].params if self.summaries else None

    @property
    def training_only_params(self) -> int:
        """How many more training needed, as a critic's."""
        return (self.summaries[0].training_only_params or 0) if self.summaries else 0


@dataclass
class _Seeds:
    """What the seeds of one row hold, while they are gathered."""

    seeds: list[int] = field(default_factory=list)
    statuses: list[StatusRecord] = field(default_factory=list)
    summaries: list[TrainingSummary] = field(default_factory=list)
    numbers: list[tuple[int, TableRecord]] = field(default_factory=list)


Evaluation = tuple[tuple[str, Scalar], ...]
Wanted = Callable[[RunDirectory, Mapping[str, Scalar]], bool]


def build(root: Path, datasets: Sequence[str] | None = None, wanted: Wanted | None = None) -> list[Row]:
    """The rows of a store, ordered by dataset and method.

    Args:
        root: the results directory.
        datasets: only theirs.
        wanted: given a run's directory and evaluation overrides, whether to show them; None for all.

    Raises:
        FmbenchError: there is no such directory, or no run in it.
    """
    if not root.is_dir():
        raise FmbenchError(f"no results directory {str(root)!r}: run 'fmbench run' first, or give --results-dir")
    measures = ColumnCache()
    rows: dict[str, Row] = {}
    # One configuration after the other, so that the records of a large store are not all in memory at once.
    for configuration, directories in by_configuration(find_runs(root, *(datasets or ()))):
        record = directories[0].record()  # the others' differ in the seed alone
        for evaluation, group in by_evaluation(directories, wanted):
            key = canonical([*configuration, dict(evaluation)])
            rows[key] = _row(record, dict(evaluation), group, measures)
    if not rows:
        where = f"{str(root)!r}" + (f" for dataset {', '.join(datasets)}" if datasets else "")
        raise FmbenchError(f"no runs in {where}: run 'fmbench run' first, or give --results-dir")
    return labelled([row for _, row in sorted(rows.items(), key=lambda item: place(*item))])


def place(key: str, row: Row) -> tuple[str, str, list[tuple[str, float, str]], str]:
    """By which rows are ordered: dataset, method, and settings, whose numbers count up; then what tells them apart."""
    settings = [
        (name, value if isinstance(value, int | float) else math.inf, str(value))
        for name, value in sorted(row.overrides.items())
    ]
    return row.request.dataset.name, row.request.method.name, settings, key


def by_configuration(directories: Iterable[RunDirectory]) -> Iterable[tuple[Configuration, list[RunDirectory]]]:
    """The seeds of each configuration, wherever they are."""
    groups: dict[Configuration, list[RunDirectory]] = defaultdict(list)
    for directory in directories:
        groups[directory.configuration].append(directory)
    return groups.items()


def by_evaluation(directories: Iterable[RunDirectory], wanted: Wanted | None) -> Iterable[tuple[Evaluation, _Seeds]]:
    """What the seeds of one configuration hold, by how their evaluation differed from the defaults."""
    groups: dict[Evaluation, _Seeds] = defaultdict(_Seeds)
    for directory in directories:
        seed, status, summary = directory.seed, directory.status(), directory.training()
        for evaluation, numbers in evaluations(directory.numbers()).items():
            if wanted is not None and not wanted(directory, dict(evaluation)):
                continue
            group = groups[evaluation]
            group.seeds.append(seed)
            group.statuses.append(status)
            group.numbers += [(seed, number) for number in numbers]
            group.summaries += [summary] if summary else []
    return groups.items()


def labelled(rows: list[Row]) -> list[Row]:
    """The rows, those of one method on one dataset told apart by the overrides in which they differ."""
    twins: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        twins[row.request.dataset.name, row.request.method.name].append(row)
    return [replace(row, label=label(row, twins[row.request.dataset.name, row.request.method.name])) for row in rows]


class Configured(Protocol):
    """A method under one configuration: a row of the table, or the record of a run."""

    @property
    def request(self) -> TrainingRequest:
        """What was asked."""

    @property
    def overrides(self) -> Mapping[str, Scalar]:
        """How that differs from the defaults."""


def label(row: Configured, twins: Sequence[Configured]) -> str:
    """The method's name, with the overrides that not all of its twins share."""
    name = row.request.method.name
    if len(twins) == 1:
        return name
    apart = [
        f"{key}={value}"
        for key, value in row.overrides.items()
        if any(twin.overrides.get(key) != value for twin in twins)
    ]
    same = [twin for twin in twins if twin.overrides == row.overrides]
    if len(same) > 1:  # other defaults or protocol: an older version's
        apart.append(row.request.config_id)
    return f"{name} [{', '.join(apart)}]" if apart else name


def evaluations(records: Iterable[MeasuredT]) -> dict[Evaluation, list[MeasuredT]]:
    """A run's numbers, by how their evaluation differed from the defaults; the default one if there are none."""
    groups: dict[Evaluation, list[MeasuredT]] = defaultdict(list)
    for record in records:
        groups[tuple(sorted(record.evaluation.items())) if record.evaluation else ()].append(record)
    return dict(groups) or {(): []}


def _row(record: RunRecord, evaluation: Mapping[str, Scalar], group: _Seeds, measures: ColumnCache) -> Row:
    reasons: dict[str, dict[str, None]] = defaultdict(dict)  # by metric
    names: dict[str, dict[str, None]] = defaultdict(dict)  # by reason
    inapplicable = set()
    states = {status.state for status in group.statuses}
    columns: dict[Column, dict[int, TableRecord]] = defaultdict(dict)
    sampler: Mapping[str, Any] = {}
    code: set[tuple[str, Code]] = set()
    for seed, number in group.numbers:
        measure = measures.of(number)
        sampler = sampler or measure.sampler
        if number.code:
            code.add((number.metric, tuple(number.code.items())))
        if number.value is not None:
            columns[measure.column][seed] = number
        elif number.reason == NOT_APPLICABLE:
            inapplicable.add(number.metric)
        else:
            reasons[number.metric][number.reason] = names[number.reason][number.name] = None
    explained = {reason: f"{', '.join(lost)}: {reason}" for reason, lost in names.items()}
    return Row(
        request=record.request,
        overrides={**record.overrides, **evaluation},
        label=record.request.method.name,
        family=record.family,
        status=next(state for state in WORST_FIRST if state in states),
        failures=tuple(dict.fromkeys(status.reason for status in group.statuses if status.reason)),
        inapplicable=frozenset(inapplicable),
        unavailable={metric: tuple(explained[reason] for reason in every) for metric, every in reasons.items()},
        cells={column: aggregate(by_seed) for column, by_seed in columns.items()},
        sampler=sampler,
        summaries=tuple(group.summaries),
        seeds=len(set(group.seeds)),
        code=frozenset(code),
    )


def mean(values: list[float]) -> float | None:
    """The mean, or None of nothing."""
    return sum(values) / len(values) if values else None
