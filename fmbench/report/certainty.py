"""Lines below a table that say what its numbers are worth: kinds of likelihood, errors, seeds and ranks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fmbench.report.cells import BIASED, Column
from fmbench.report.columns import DAGGER, told_apart
from fmbench.report.compare import RanksByColumn
from fmbench.report.table import Row

RANKED = ("nll-gap", "nll", "fid", "w2")  # in a line below the table; JSON has the ranks of every number
EXACT, ODE = "exact", "pf-ode"


def family_lines(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Which densities are exact, which are of an ODE, and which are biased."""
    kinds: dict[str, list[str]] = defaultdict(list)
    biased: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        cell = next((row.cells[column] for column in columns if column.name == "nll" and column in row.cells), None)
        if cell is not None and cell.biased:
            for family in BIASED.keys() & set(cell.family.split("/")):
                biased[family].append(row.label)
        elif cell is not None:
            kinds[cell.family].append(row.label)
    lines = []
    if EXACT in kinds and ODE in kinds:
        rest = f"the rest without {DAGGER}" if biased else "the rest"
        lines.append(f"NLL: exact for {', '.join(kinds[EXACT])}; along the probability-flow ODE for {rest}.")
    return lines + [
        f"{DAGGER} NLL of {', '.join(biased[family])}: {BIASED[family]}." for family in BIASED if family in biased
    ]


def error_lines(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """What the randomness of the measurement adds: a likelihood's random traces, a distance's few sets of samples."""
    groups: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    having: dict[str, set[str]] = defaultdict(set)  # the rows that have a number
    for column in columns:
        having[column.number.label] |= {row.label for row in rows if column in row.cells}
        for row in rows:
            cell = row.cells.get(column)
            if cell is not None and cell.error is not None:
                if column.name == "nll":
                    how = f"{json.loads(column.protocol)['probes']} Hutchinson probes a point"
                    groups["NLL", how, column.unit][row.label] = cell.error
                elif cell.sets > 1:
                    how = f"mean of {cell.sets} sets of samples"
                    groups[column.number.label, how, column.unit][row.label] = cell.error
    return [
        error_line(label if having[label] == set(errors) else f"{label} of {', '.join(errors)}", how, unit, errors)
        for (label, how, unit), errors in groups.items()
    ]


def error_line(what: str, how: str, unit: str, errors: Mapping[str, float]) -> str:
    """Say how large the standard errors of the rows are: their range."""
    low, high = (f"{bound(errors.values()):.1g}" for bound in (min, max))
    size = low if low == high else f"{low} to {high}"
    return f"{what}: {how}, standard error {size}{f' {unit}' if unit else ''}."


def rank_lines(rows: Sequence[Row], ranked: RanksByColumn) -> list[str]:
    """The places that the rows may have by the numbers of RANKED, where more than one seed tells."""
    names = [column.name for column in ranked]
    lines = []
    for column, (label, qualifier) in zip(ranked, told_apart(list(ranked)), strict=True):
        # The gap is the NLL less a constant of the dataset: its ranks are the same.
        if column.name not in RANKED or (column.name == "nll" and "nll-gap" in names):
            continue
        placed = [(rank, row.label) for rank, row in zip(ranked[column], rows, strict=True) if rank is not None]
        # Sorted by rank alone: rows of equal rank keep the table's order, which says nothing of their means.
        listed = ", ".join(f"{who} {rank}" for rank, who in sorted(placed, key=lambda pair: pair[0]))
        of = label if names.count(column.name) == 1 else f"{label} ({qualifier})"
        lines += [f"Rank by {of}: {listed}."] if listed else []
    return lines


def seed_lines(rows: Sequence[Row]) -> list[str]:
    """What the intervals and bold type mean, or why there are none."""
    if all(row.seeds == 1 for row in rows):
        return ["One training seed each: no intervals, hence no ranks and nothing in bold."]
    return [
        "\u00b1: 95 % Student interval over training seeds. Ahead in rank: the interval of the difference, paired by "
        "seed, excludes zero and the two intervals do not overlap. Bold: ahead of every other row; controls are not "
        "ranked."
    ]
