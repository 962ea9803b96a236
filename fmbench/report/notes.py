"""What stands below a table: floors, protocols, and what its numbers are worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from fmbench.registry.builtin import fmbench_samplers
from fmbench.registry.specs import FLOOR
from fmbench.report.budget import budget_lines
from fmbench.report.cells import Cell, Column
from fmbench.report.certainty import error_lines, family_lines, rank_lines, seed_lines
from fmbench.report.columns import si
from fmbench.report.compare import RanksByColumn
from fmbench.report.numbers import is_floor
from fmbench.report.table import Row
from fmbench.request.schema import ALWAYS_RECORDED, Sampler


def notes(rows: Sequence[Row], ranked: RanksByColumn) -> list[str]:
    """The floors, the protocol, and what the numbers are worth.

    Args:
        rows: of one dataset.
        ranked: in each of the columns that are shown.
    """
    columns = list(ranked)
    lines = floor_lines(rows, columns)
    lines += of_whom((row.label, training_line(row)) for row in rows)
    lines += budget_lines(rows)
    lines += of_whom((row.label, sampling_line(row)) for row in rows)
    lines += family_lines(rows, columns)
    lines += error_lines(rows, columns)
    lines += warning_lines(rows, columns)
    lines += training_only_lines(rows)
    return [*lines, *rank_lines(rows, ranked), *seed_lines(rows)]


def training_only_lines(rows: Sequence[Row]) -> list[str]:
    """How many parameters training needed that samples do not, where there are any."""
    return [
        f"{row.label}: training needed {si(row.training_only_params)} parameters besides those that samples need."
        for row in rows
        if row.training_only_params
    ]


def floor_lines(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """What real data reach in the numbers that are shown."""
    order = {column.name: place for place, column in enumerate(columns)}
    groups: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
    for column, cell in floors(rows):
        base = column.name.removesuffix(FLOOR)
        if base in order:
            spec = column.number
            beside = "; ".join(filter(None, [cell.family, *cell.warnings]))
            sentence = f"{spec.label} {cell.mean:.{spec.decimals}f}" + (f" ({beside})" if beside else "")
            groups[spec.floor or "Real data", column.n].append((order[base], sentence))
    return [
        f"{whose} (n={n}) set the floor: {', '.join(text for _, text in sorted(sentences))}."
        for (whose, n), sentences in groups.items()
    ]


def floors(rows: Sequence[Row]) -> list[tuple[Column, Cell]]:
    """The distinct floors of the rows, each over as many seeds as any row has."""
    found: dict[Column, Cell] = {}
    for row in rows:
        for column, cell in row.cells.items():
            if is_floor(column.name) and (column not in found or cell.seeds > found[column].seeds):
                found[column] = cell
    return sorted(found.items(), key=lambda item: (item[0].name, item[0].family, item[0].n, item[0].protocol))


def warning_lines(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """What the measurements of the shown numbers warn of."""
    warnings = (
        (row.label, f"{column.number.label}: {warning}.")
        for column in columns
        for row in rows
        if column in row.cells
        for warning in row.cells[column].warnings
    )
    return gathered(warnings)


def gathered(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Each distinct line once, with the rows that it is about."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label, line in lines:
        groups[line].append(label)
    return [f"{', '.join(dict.fromkeys(labels))}: {line}" for line, labels in groups.items()]


def of_whom(lines: Iterable[tuple[str, str]]) -> list[str]:
    """Each distinct line once; where there are several, all but the commonest with the rows that it is about."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label, line in lines:
        if line:
            groups[line].append(label)
    commonest = max(groups, key=lambda line: len(groups[line]), default="")
    return [line if line == commonest else f"{', '.join(labels)}: {line}" for line, labels in groups.items()]


def training_line(row: Row) -> str:
    """Budget and network in a sentence."""
    train, network, budget = row.request.train, row.request.network, row.request.budget
    length = f"{train.steps} steps"
    if budget is not None:
        length = f"{budget.seconds:g} s" if budget.seconds is not None else f"{budget.flops:.3g} FLOPs"
        length += " in steps"
    options = ", ".join(f"{key} {value}" for key, value in network.options.items())
    precision = "" if train.precision == "float32" else f"; {train.precision}"
    precision += compilation(row) if train.compile else ""
    flips = "; flips" if train.flips else ""
    classes = "; on classes" if train.conditional else ""
    more = f"{precision}{flips}{classes}"
    return f"{length} of {train.batch_size}; network {network.name} ({options}); EMA {train.ema:g}{more}."


def compilation(row: Row) -> str:
    """Whether the networks were compiled, or why not."""
    refused = next((summary.uncompiled for summary in row.summaries if summary.uncompiled), "")
    return f"; uncompiled ({refused})" if refused else "; compiled"


def sampling_line(row: Row) -> str:
    """How samples were drawn, in a sentence."""
    if not row.sampler:
        return ""
    sampler = row.sampler
    adaptive = {spec.name for spec in fmbench_samplers() if spec.adaptive}
    parts = []
    if sampler["steps"]:
        parts.append(f"{sampler['steps']} steps")
    elif sampler["name"] in adaptive:
        parts.append(f"rtol {sampler['rtol']:g}, atol {sampler['atol']:g}")
    if sampler.get("corrections"):
        parts.append(f"{sampler['corrections']} Langevin each, snr {sampler['snr']:g}")
    parts += [f"{key} {sampler[key]}" for key in sorted(sampler.keys() - {*Sampler.common_keys(), *ALWAYS_RECORDED})]
    if sampler.get("guidance", 1) != 1:
        parts.append(f"guidance {sampler['guidance']:g}")
    parts.append(f"batch {sampler['batch_size']}")
    return f"Samples: {sampler['samples']} by {sampler['name']} ({', '.join(parts)})."
