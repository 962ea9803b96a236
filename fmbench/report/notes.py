"""What stands below a table: floors, protocols, errors, and why a number is missing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from fmbench.report.table import Cell, Column, Row
from fmbench.solvers import SAMPLERS

FLOORS = {"fid-floor": "fid"}


def notes(rows: Sequence[Row]) -> list[str]:
    """The floors, the protocol and the reasons of what is missing."""
    lines = []
    for column, cell in floors(rows):
        lines.append(f"Held-out real images (n={column.n}): FID {cell.mean:.2f} ({cell.family}); the floor.")
    lines += of_whom((row.label, training_line(row)) for row in rows)
    lines += of_whom((row.label, sampling_line(row)) for row in rows)
    lines += error_lines(rows)
    biased = [row.label for row in rows if (found := row.cell("nll")) and found[1].family == "truncated"]
    if biased:
        lines.append(f"NLL of {', '.join(biased)}: from a truncated power series, hence biased.")
    lines += [f"{row.label}: {reason}" for row in rows for reason in row.reasons]
    if any(row.seeds > 1 for row in rows):
        lines.append("\u00b1: 95 % Student interval over training seeds.")
    return lines


def floors(rows: Sequence[Row]) -> list[tuple[Column, Cell]]:
    """The distinct floors of the rows' distances."""
    found = {column: cell for row in rows for column, cell in row.cells.items() if column.name in FLOORS}
    return sorted(found.items(), key=lambda item: (item[0].name, item[0].family, item[0].protocol))


def of_whom(said: Iterable[tuple[str, str]]) -> list[str]:
    """Each distinct line once; where there are several, all but the commonest with the rows that it is about."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label, line in said:
        if line:
            groups[line].append(label)
    commonest = max(groups, key=lambda line: len(groups[line]), default="")
    return [line if line == commonest else f"{', '.join(labels)}: {line}" for line, labels in groups.items()]


def training_line(row: Row) -> str:
    """Budget and network in a sentence."""
    train, network = row.request.train, row.request.network
    options = ", ".join(f"{key} {value}" for key, value in network.options.items())
    classes = "; on classes" if train.conditional else ""
    return f"{train.steps} steps of {train.batch_size}; network {network.name} ({options}); EMA {train.ema:g}{classes}."


def sampling_line(row: Row) -> str:
    """How samples were drawn, in a sentence."""
    if not row.sampler:
        return ""
    sampler = row.sampler
    spec = SAMPLERS.get(sampler["name"])
    parts = []
    if sampler["steps"]:
        parts.append(f"{sampler['steps']} steps")
    elif spec is not None and spec.adaptive:
        parts.append(f"rtol {sampler['rtol']:g}, atol {sampler['atol']:g}")
    if sampler.get("corrections"):
        parts.append(f"{sampler['corrections']} Langevin each, snr {sampler['snr']:g}")
    if sampler.get("guidance", 1) != 1:
        parts.append(f"guidance {sampler['guidance']:g}")
    parts.append(f"batch {sampler['batch_size']}")
    return f"Samples: {sampler['samples']} by {sampler['name']} ({', '.join(parts)})."


def error_lines(rows: Sequence[Row]) -> list[str]:
    """What the likelihoods' random traces add."""
    groups: dict[tuple[int, str], list[tuple[str, float]]] = defaultdict(list)
    for row in rows:
        found = row.cell("nll")
        if found is not None and found[1].error is not None:
            groups[json.loads(found[0].protocol)["probes"], found[0].unit].append((row.label, found[1].error))
    lines = []
    for (probes, unit), said in groups.items():
        low, high = (f"{bound(error for _, error in said):.1g}" for bound in (min, max))
        size = low if low == high else f"{low} to {high}"
        who = ", ".join(label for label, _ in said)
        lines.append(f"NLL of {who}: {probes} Hutchinson probes a point, standard error {size} {unit}.")
    return lines
