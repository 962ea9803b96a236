"""A number under one protocol, over training seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

from fmbench.errors import FmbenchError
from fmbench.registry.builtin.extractors import DISTANCES
from fmbench.registry.specs import IMPOSSIBLE, Number
from fmbench.report.numbers import number
from fmbench.request.schema import canonical
from fmbench.store.files import parse_json
from fmbench.store.records import TableRecord

BIASED: Mapping[str, str] = {
    "truncated": "from a truncated power series, hence biased and not ranked",
    IMPOSSIBLE: "above the true density by more than 3 standard errors, which no density is, hence not ranked",
}
"""Families of likelihoods that are wrong, and why."""


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
        declared: what a plugin's metric says of the number; of columns that are equal, the first record's holds.
    """

    name: str
    metric: str
    unit: str
    family: str
    n: int
    protocol: str
    declared: Number | None = field(default=None, compare=False)

    @property
    def number(self) -> Number:
        """How it is shown."""
        shown = number(self.name, self.declared)
        distance = DISTANCES.get(self.family)
        return shown if distance is None else replace(shown, label=shown.label.replace("FID", distance))

    def __hash__(self) -> int:  # the name alone tells nearly all columns apart, and knows its hash
        return hash(self.name)


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
        """Whether it is a likelihood that is wrong in a known direction: shown, but compared with none."""
        return not BIASED.keys().isdisjoint(self.family.split("/"))


class ColumnAndSampler(NamedTuple):
    """How a number was measured.

    Args:
        column: of the number.
        sampler: how its points were drawn; empty where none were.
    """

    column: Column
    sampler: Mapping[str, Any]


class ColumnCache:
    """How the numbers of a table were measured; those of one protocol share a column, made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str, str, int, bytes], ColumnAndSampler] = {}

    def of(self, record: TableRecord) -> ColumnAndSampler:
        """That of a record.

        Raises:
            FmbenchError: its protocol is none.
        """
        key = (record.name, record.metric, record.unit, record.family, record.n, bytes(record.protocol))
        known = self._known.get(key)
        return known or self._known.setdefault(key, measure(record))


def measure(record: TableRecord) -> ColumnAndSampler:
    """How a number was measured.

    Raises:
        FmbenchError: its protocol is none.
    """
    protocol = parse_json(bytes(record.protocol), f"a protocol of {record.name!r}")
    if not isinstance(protocol, dict):
        raise FmbenchError(
            f"a protocol of {record.name!r} is {protocol!r}, which is none: fmbench eval --renew measures it again"
        )
    sampler = protocol.pop("sampler", {})
    shared = record.name in {"nll", "nll-gap", "mass"}  # exact densities and those of an ODE estimate one quantity
    family = "" if shared else record.family
    declared = record.number or None
    column = Column(record.name, record.metric, record.unit, family, record.n, canonical(protocol), declared)
    return ColumnAndSampler(column, sampler)


def aggregate(records: Mapping[int, TableRecord]) -> Cell:
    """The cell of the records of one column, by seed."""
    found = [records[seed] for seed in sorted(records)]
    errors = [record.error for record in found if record.error is not None]
    sure = len(errors) == len(found)
    warnings = [str(record.details.warning) for record in found if record.details.warning is not None]
    return Cell(
        by_seed={seed: value for seed in sorted(records) if (value := records[seed].value) is not None},
        family="/".join(filter(None, sorted({record.family for record in found}))),
        error=math.sqrt(sum([error * error for error in errors])) / len(errors) if sure else None,
        sets=max([len(record.details.sets) for record in found]),
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


STUDENT = (
    12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146,
    2.4469118511449786, 2.364624251592784, 2.306004135204166, 2.262157162798205,
)  # fmt: skip
"""What SciPy says up to ten seeds: importing it takes a quarter of a second."""


@cache
def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    from scipy.special import stdtrit  # here, as few tables need it

    return float(stdtrit(freedom, 0.975))
