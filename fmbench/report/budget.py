"""What the trained rows of a table have in common: steps, images, seconds or FLOPs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mode

from fmbench.report.table import Row, mean
from fmbench.store.records import TrainingSummary


@dataclass(frozen=True)
class Spent:
    """One way of measuring what training took.

    Args:
        name: its plural.
        of: what a seed of a row took; None where that is not known.
        tolerance: by which share the most may exceed the least for the rows to count as equal; 0 for what is given
            and not measured, of which a minority of the rows may be named as exceptions.
        spell: a number as it is written.
    """

    name: str
    of: Callable[[Row, TrainingSummary], float | None]
    tolerance: float
    spell: Callable[[float], str]


def grouped(value: float) -> str:
    """614400 as "614 400", and 2400 as it is."""
    return f"{value:,.0f}".replace(",", " ") if value >= 10_000 else f"{value:.0f}"


def steps(row: Row, summary: TrainingSummary) -> int:
    """Optimiser steps, as the run says, or an older one's request."""
    return row.request.train.steps if summary.steps is None else summary.steps


SPENT = (
    Spent("steps", steps, 0.0, grouped),
    Spent("images", lambda _, summary: summary.images, 0.0, grouped),
    Spent("seconds", lambda _, summary: summary.seconds, 0.05, grouped),
    Spent("FLOPs", lambda _, summary: summary.flops, 0.01, lambda value: f"{value:.3g}"),
)


def budget_lines(rows: Sequence[Row]) -> list[str]:
    """In what the rows that make optimiser steps were given the same, and by how much the rest differs."""
    trained = [row for row in rows if row.params]
    if len(trained) < 2:
        return []
    equal, apart = [], []
    for spent in SPENT:
        taken = {row.label: value for row in trained for value in [took(row, spent)] if value is not None}
        if len(taken) < len(trained):
            continue
        low, high = min(taken.values()), max(taken.values())
        usual = mode(taken.values())
        others = [label for label, value in taken.items() if value != usual]
        if high <= low * (1 + spent.tolerance):
            equal.append(f"{spent.spell((low + high) / 2)} {spent.name}")
        elif not spent.tolerance and len(others) < len(taken) / 2:
            equal.append(f"{spent.spell(usual)} {spent.name} (but for {', '.join(others)})")
        else:
            apart.append(f"{spent.name} ({spent.spell(low)} to {spent.spell(high)})")
    text = f"Equal budget: {', '.join(equal)}" if equal else "No budget is equal"
    return [f"{text}{'; different: ' if equal else ': '}{', '.join(apart)}." if apart else f"{text}."]


def took(row: Row, spent: Spent) -> float | None:
    """The mean over the seeds of a row; None where one is not known."""
    values = [value for summary in row.summaries for value in [spent.of(row, summary)] if value is not None]
    return mean(values) if len(values) == len(row.summaries) else None
