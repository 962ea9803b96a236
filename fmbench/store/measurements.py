"""Which of a run's numbers count, and how those of two copies of one run become measurement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fmbench.request.schema import canonical
from fmbench.store.records import Measured, MeasuredT, MetricRecord

Key = tuple[str, str]
Measurement = Mapping[str, MetricRecord]


class Line(NamedTuple):
    """A line of metrics.jsonl, as it stands there and as it reads."""

    text: bytes
    record: MetricRecord


def key_of(record: Measured) -> Key:
    """What measurements must share for the later one to replace the earlier measurement: metric and evaluation."""
    return record.metric, canonical(record.evaluation) if record.evaluation else ""


def latest(records: Iterable[MeasuredT]) -> dict[Key, dict[str, MeasuredT]]:
    """Keep the later of two measurements by one metric in one evaluation, each by the names of its numbers.

    An evaluation is known by what differs from the defaults, so one under the defaults of an older version gives way
    too.
    """
    begun: dict[Key, str] = {}
    found: dict[Key, dict[str, MeasuredT]] = {}
    for record in records:
        key = key_of(record)
        if begun.get(key) != record.measured_at:
            begun[key], found[key] = record.measured_at, {}
        found[key][record.name] = record
    return found


@dataclass(frozen=True)
class Union:
    """The numbers of two copies of one run.

    Args:
        lines: of both, such that those count that should.
        differences: numbers of one metric, protocol and evaluation that differ: in words, here and there.
    """

    lines: list[bytes]
    differences: list[str]


def union(here: Sequence[Line], there: Sequence[Line]) -> Union:
    """Every line of two copies once; no number gives way to an older one, nor to one that merely differs.

    Of two measurements by one metric in one evaluation that one counts which the other copy has replaced already; else
    the one that has numbers where the other has none; else, of two protocols, the later measurement.
    """
    mine, theirs = latest(line.record for line in here), latest(line.record for line in there)
    histories = by_key(here), by_key(there)
    newer, differences = set(theirs) - set(mine), []
    for key in theirs.keys() & mine.keys():
        if holds(histories[0][key], theirs[key]):
            continue
        if holds(histories[1][key], mine[key]):
            newer.add(key)
            continue
        differences += differing(mine[key], theirs[key])
        if precedence(theirs[key], mine[key]) > precedence(mine[key], theirs[key]):
            newer.add(key)
    known = {line.text for line in here}
    added = [line for line in there if line.text not in known]
    before = [line.text for line in added if key_of(line.record) not in newer]
    after = [line.text for line in added if key_of(line.record) in newer]
    return Union([*before, *(line.text for line in here), *after], sorted(differences))


def by_key(lines: Iterable[Line]) -> dict[Key, list[MetricRecord]]:
    """All that was ever measured, by what replaces one another."""
    groups: dict[Key, list[MetricRecord]] = defaultdict(list)
    for line in lines:
        groups[key_of(line.record)].append(line.record)
    return groups


def holds(history: Sequence[MetricRecord], measurement: Measurement) -> bool:
    """Whether a copy has, or once had, the numbers of a measurement."""
    return all(record in history for record in measurement.values())


def precedence(measurement: Measurement, other: Measurement) -> tuple[int, str]:
    """By which of two measurements the higher one counts."""
    if protocol_of(measurement) == protocol_of(other):
        return sum(record.value is not None for record in measurement.values()), ""
    return 0, max(record.measured_at for record in measurement.values())


def differing(mine: Measurement, theirs: Measurement) -> list[str]:
    """The numbers of one protocol that differ; how long something took is never the same twice."""
    if protocol_of(mine) != protocol_of(theirs):
        return []
    return [
        f"{name} is {a.value:.6g} here and {b.value:.6g} there (by {abs(a.value - b.value):.2g})"
        for name, a, b in ((name, record, theirs[name]) for name, record in mine.items() if name in theirs)
        if a.value is not None and b.value is not None and a.value != b.value and a.unit.partition("/")[0] != "s"
    ]


def protocol_of(measurement: Measurement) -> str:
    """That of its numbers, which they share."""
    return canonical(next(iter(measurement.values())).protocol)
