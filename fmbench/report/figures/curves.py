"""Curves that a metric keeps beside its number: quality by steps of a solver, or by steps of training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fmbench.report.cells import Column
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.subject import Subject
from fmbench.report.table import Row, evaluations
from fmbench.request.schema import canonical
from fmbench.store.records import MetricRecord, RunRecord
from fmbench.store.run import find_runs

Key = tuple[str, str, str]


class Curve(NamedTuple):
    """A row's curve.

    Args:
        label: of the row.
        xs: its costs.
        ys: its quality at each.
        seeds: that it is the mean over: those that were measured so.
        solver: that drew its samples, where one did at every point.
    """

    label: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    seeds: int
    solver: str = ""


def curves_of(order: Order, subject: Subject, column: Column, name: str, cost: str) -> list[Curve]:
    """The curves of rows whose runs have a number with one in the same measure as the column.

    Args:
        order: of the figure.
        subject: its rows.
        column: of the quality that the figure shows.
        name: of the number that keeps the curve, as "nfe-10pct".
        cost: the key of its points that is drawn along x.
    """
    if not any(row.cell(name) for row in subject.rows):
        return []
    kept: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for run in find_runs(order.root, order.dataset):
        record = run.record()
        for numbers in evaluations(run.metrics()).values():
            kept[key_of(record, numbers)] += list(details_of(numbers, column, name))
    rows = [
        (row, kept[row.request.method.name, row.request.config_id, canonical(dict(row.overrides))])
        for row in subject.rows
    ]
    return [mean_of(row, seeds, cost) for row, seeds in rows if seeds]


def key_of(record: RunRecord, numbers: Iterable[MetricRecord]) -> Key:
    """Which row a run's numbers of one evaluation belong to."""
    evaluation = next((number.evaluation for number in numbers), {})
    request = record.request
    return request.method.name, request.config_id, canonical({**record.overrides, **evaluation})


def details_of(numbers: Iterable[MetricRecord], column: Column, name: str) -> Iterable[dict[str, Any]]:
    """What stands beside the number of a run that keeps a curve."""
    for number in numbers:
        details = number.details
        if number.name == name and details.get("measure") == column.name and number.family == column.family:
            yield details


def mean_of(row: Row, seeds: Sequence[dict[str, Any]], cost: str) -> Curve:
    """The mean of curves, point by point, over the points that all seeds have."""
    points = list(zip(*(details["curve"] for details in seeds), strict=False))
    xs = tuple(sum(entry[cost] for entry in point) / len(point) for point in points)
    ys = tuple(sum(entry["value"] for entry in point) / len(point) for point in points)
    return Curve(row.label, xs, ys, len(seeds), seeds[0].get("solver", ""))
