"""A number under one protocol, over training seeds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from fmbench.config import canonical
from fmbench.store.records import MetricRecord


@dataclass(frozen=True)
class Column:
    """One number under one protocol: cells of different protocols never share a column.

    Args:
        name: of the number.
        metric: that measures it.
        unit: of the number.
        family: the feature extractor of a distance; "" for numbers whose families may share a column.
        n: points it is over.
        protocol: canonical JSON of the rest (the sampler aside, which names the row).
    """

    name: str
    metric: str
    unit: str
    family: str
    n: int
    protocol: str


@dataclass(frozen=True)
class Cell:
    """A number over training seeds.

    Args:
        by_seed: its value for each.
        family: of the likelihood or the features.
        error: standard error of the measurement itself, as the records tell it, over these seeds; None if unknown.
        sets: of samples that each value is the mean over.
        warnings: what the measurements warn of, as of too few samples.
    """

    by_seed: Mapping[int, float]
    family: str
    error: float | None
    sets: int
    warnings: tuple[str, ...]

    @cached_property
    def mean(self) -> float:
        """Over seeds."""
        return sum(self.by_seed.values()) / self.seeds

    @cached_property
    def interval(self) -> float | None:
        """Half-width of the 95 % Student interval of that mean; None for one seed."""
        return half_width(list(self.by_seed.values()))

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.by_seed)

    @property
    def biased(self) -> bool:
        """Whether it is a likelihood with a cut power series: shown, but compared with none."""
        return "truncated" in self.family.split("/")


def column_of(record: MetricRecord) -> Column:
    """The column of a number."""
    protocol = {key: value for key, value in record.protocol.items() if key != "sampler"}
    shared = record.name in {"nll", "nll-gap", "mass"}  # exact densities and those of an ODE estimate one quantity
    family = "" if shared else record.family
    return Column(record.name, record.metric, record.unit, family, record.n, canonical(protocol))


class Columns:
    """The columns of a table's numbers; those of one protocol are one object, made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, str, int], list[tuple[dict[str, Any], Column]]] = defaultdict(list)

    def of(self, record: MetricRecord) -> Column:
        """The column of a number."""
        known = self._known[record.name, record.metric, record.unit, record.family, record.n]
        for protocol, column in known:
            if protocol == record.protocol:  # much cheaper than its canonical form
                return column
        column = column_of(record)
        known.append((record.protocol, column))
        return column


def aggregate(records: Mapping[int, MetricRecord]) -> Cell:
    """The cell of the records of one column, by seed."""
    known = {seed: record for seed, record in sorted(records.items()) if record.value is not None}
    errors = [record.error for record in known.values() if record.error is not None]
    sure = len(errors) == len(known)
    warnings = [str(record.details["warning"]) for record in known.values() if "warning" in record.details]
    return Cell(
        by_seed={seed: record.value for seed, record in known.items() if record.value is not None},
        family="/".join(sorted({record.family for record in known.values() if record.family})),
        error=math.sqrt(sum(error * error for error in errors)) / len(errors) if sure else None,
        sets=max(len(record.details.get("sets", [0])) for record in known.values()),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 95 % Student interval of the mean; None for fewer than two values."""
    n = len(values)
    if n < 2:
        return None
    centre = sum(values) / n
    deviation = math.sqrt(sum((value - centre) ** 2 for value in values) / (n - 1))
    return student(n - 1) * deviation / math.sqrt(n)


@cache
def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit  # a quarter of a second, only where there is an interval

    return float(stdtrit(freedom, 0.975))
