"""The curves of a run: its loss while it trained, and quality against cost where it was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fmbench.store import files
from fmbench.store.records import MetricRecord

POINTS = 60  # of a training curve
T = TypeVar("T")
SAMPLING, LEARNING = "curve", "learning-curve"  # metrics
COSTS = {SAMPLING: "nfe", LEARNING: "step"}  # what their curves are over


@dataclass(frozen=True)
class Loss:
    """The training loss.

    Args:
        step: after which each value was logged.
        seconds: of training until then.
        loss: the mean since the line before.
    """

    step: Sequence[int]
    seconds: Sequence[float | None]
    loss: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """Quality against cost, as a metric of curves measured it.

    Args:
        metric: a key of COSTS.
        measure: the distance, as "fid".
        of: what tells it apart, as the solver.
        evaluation: how the evaluation differed from the defaults.
        cost: of each point: calls of the network, or optimiser steps.
        value: the distance at each point.
    """

    metric: str
    measure: str
    of: str
    evaluation: dict[str, Any]
    cost: Sequence[float]
    value: Sequence[float]


def loss_of(path: Path) -> Loss | None:
    """The thinned loss of a train.jsonl; None where nothing was logged."""
    kept = list(points_of(path))
    if not kept:
        return None
    return Loss(
        [line["step"] for line in kept],
        [line.get("seconds") for line in kept],
        [float(f"{line['loss']:.4g}") for line in kept],
    )


def points_of(path: Path) -> Iterator[dict[str, Any]]:
    """What the lines that are kept say; the others are not read, and a torn one is skipped."""
    for text in thinned((files.read_bytes(path) or b"").splitlines(), POINTS):
        try:
            line = files.parse_json(text, path)
        except files.NotJsonError:
            continue
        if is_point(line):
            yield line


def is_point(line: Any) -> bool:
    """Whether a line of train.jsonl has a step and a finite loss."""
    return isinstance(line, dict) and "step" in line and math.isfinite(line.get("loss") or math.nan)


def thinned(lines: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly spaced; the first and the last always."""
    if len(lines) <= most:
        return list(lines)
    return [lines[round(index * (len(lines) - 1) / (most - 1))] for index in range(most)]


def curves_of(records: Iterable[MetricRecord]) -> list[Curve]:
    """The curves in the details of a run's numbers."""
    return [
        Curve(
            record.metric,
            str(record.details.get("measure", "")),
            str(record.details.get("solver", "")),
            dict(record.evaluation),
            [point[COSTS[record.metric]] for point in record.details["curve"]],
            [float(f"{point['value']:.4g}") for point in record.details["curve"]],
        )
        for record in records
        if record.metric in COSTS and record.details.get("curve")
    ]
