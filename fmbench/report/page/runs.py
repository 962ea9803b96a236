"""What the page says of each run: what was asked, who answered, what it cost, and its numbers with their protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench.report.page.curves import Curve, Loss, curves_of, loss_of
from fmbench.report.table import Evaluation, evaluations
from fmbench.request.schema import canonical, flatten
from fmbench.store.records import NOT_APPLICABLE, MetricRecord, RunRecord, TrainingSummary
from fmbench.store.run import RunDirectory

BY_RUN = ("seconds", "peak_memory_bytes", "command")  # of env.json: what no two runs share
DIGITS = 6  # significant ones: a page is read, not computed with


class Shared:
    """Settings that many runs have in common, flat, each kept once and known by its place."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []
        self._places: dict[str, int] = {}

    def place(self, tree: Mapping[str, Any]) -> int:
        """Where JSON-able settings are kept."""
        place = self._places.setdefault(canonical(tree), len(self.values))
        if place == len(self.values):
            self.values.append(flatten(tree))
        return place


@dataclass(frozen=True)
class Asked:
    """What runs share, by place.

    Args:
        configs: requests without their seeds.
        environments: halves of env.json without what differs from run to run.
        protocols: as of the numbers.
    """

    configs: Shared
    environments: Shared
    protocols: Shared

    @classmethod
    def empty(cls) -> Asked:
        """Nothing yet."""
        return cls(Shared(), Shared(), Shared())


@dataclass(frozen=True)
class ShownNumber:
    """A number of a run.

    Args:
        name: of the number.
        value: rounded; None where it could not be had, as `reason` says.
        error: standard error of the measurement, where known.
        unit: of the number.
        family: of the likelihood, or the feature extractor.
        n: points it is over.
        protocol: its place among the shared ones.
        evaluation: how the evaluation differed from the defaults.
        seconds: that measuring took.
        reason: why there is no value.
        warning: of the measurement.
    """

    name: str
    value: float | None
    error: float | None
    unit: str
    family: str
    n: int
    protocol: int
    evaluation: Mapping[str, Any]
    seconds: float
    reason: str
    warning: str


@dataclass(frozen=True)
class Half:
    """Who answered for one half of a run: a place among the shared environments, and what is this run's alone."""

    environment: int
    own: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One run as the page shows it.

    Args:
        id: of run.json.
        name: the method, and the seed.
        seed: of the training.
        state: of status.json.
        reason: why it is not done.
        folder: relative to the store.
        config: the place of its request among the shared ones.
        overrides: how the request differs from the defaults.
        evaluations: under which it was measured: a row each.
        halves: who trained it and who measured it.
        cost: of training.json; {} before training has ended.
        numbers: all of them.
        loss: of train.jsonl, thinned.
        curves: quality against cost, where measured.
    """

    id: str
    name: str
    seed: int
    state: str
    reason: str
    folder: str
    config: int
    overrides: Mapping[str, Any]
    evaluations: Sequence[Evaluation]
    halves: Mapping[str, Half]
    cost: Mapping[str, Any]
    numbers: Sequence[ShownNumber]
    loss: Loss | None
    curves: Sequence[Curve]


def run_of(directory: RunDirectory, record: RunRecord, root: Path, asked: Asked) -> Run:
    """One run, from its directory.

    Raises:
        FmbenchError: a file is damaged.
    """
    status, summary, records = directory.status(), directory.training(), directory.metrics()
    request = record.request
    return Run(
        id=record.id,
        name=f"{request.method.name}, seed {request.seed}",
        seed=request.seed,
        state=status.state,
        reason=status.reason,
        folder=directory.path.relative_to(root).as_posix(),
        config=asked.configs.place(request.model_dump(exclude={"seed"})),
        overrides=record.overrides,
        evaluations=list(evaluations(records)),
        halves=halves_of(directory, asked),
        cost=cost_of(summary),
        numbers=numbers_of(records, asked),
        loss=loss_of(directory.train_log),
        curves=curves_of(records),
    )


def cost_of(summary: TrainingSummary | None) -> dict[str, Any]:
    """What is known of the cost of training; nothing before it has ended."""
    known = {} if summary is None else summary.dump()
    return rounded({key: value for key, value in known.items() if key != "schema" and value is not None})


def halves_of(directory: RunDirectory, asked: Asked) -> dict[str, Half]:
    """Who trained and who measured, as far as env.json says."""
    return {
        name: Half(
            asked.environments.place({key: value for key, value in half.items() if key not in BY_RUN}),
            rounded({key: half[key] for key in BY_RUN if key in half}),
        )
        for name, half in directory.environment().items()
        if name != "schema"
    }


def numbers_of(records: Iterable[MetricRecord], asked: Asked) -> list[ShownNumber]:
    """A run's numbers; those that its method cannot have are not listed."""
    return [
        ShownNumber(
            name=record.name,
            value=significant(record.value),
            error=significant(record.error),
            unit=record.unit,
            family=record.family,
            n=record.n,
            protocol=asked.protocols.place(record.protocol),
            evaluation=record.evaluation,
            seconds=record.seconds,
            reason=record.reason,
            warning=str(record.details.get("warning", "")),
        )
        for record in records
        if record.reason != NOT_APPLICABLE
    ]


def rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with its fractions rounded."""
    return {key: significant(value) if type(value) is float else value for key, value in values.items()}


def significant(value: float | None) -> float | None:
    """A number to DIGITS significant digits; None of what is no finite number."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
