"""What of the results other code or data has made than there is now, in lines that stand below a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from fmbench.registry.code import PresentCode
from fmbench.report.table import Row
from fmbench.request.schema import DEFAULT_SLUG
from fmbench.store.run import RunDirectory
from fmbench.store.staleness import changes, sentence

SHOWN = 20  # lines of a kind
TRAINING = "stale runs: `fmbench verify` tells whether that matters, `fmbench run --rerun stale` trains them anew"
NUMBERS = "stale numbers: `fmbench eval --renew` measures them again"


def stale_lines(directories: Iterable[RunDirectory], rows: Sequence[Row], present: PresentCode) -> list[str]:
    """The runs, and the numbers in rows, that are stale, and what to do about it; none where nothing is."""
    return [*remedied(run_lines(directories, present), TRAINING), *remedied(number_lines(rows, present), NUMBERS)]


def run_lines(directories: Iterable[RunDirectory], present: PresentCode) -> list[str]:
    """The runs whose training is stale, a line for all seeds of one configuration."""
    seeds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for directory in directories:
        found = changes(directory, present)
        if found:
            dataset, method, _ = directory.configuration
            apart = "" if directory.slug == DEFAULT_SLUG else f" ({directory.slug})"
            seeds[f"{method} on {dataset}{apart}", sentence(found)].append(directory.seed)
    return [
        f"stale: {name}, seed{'s' * (len(each) > 1)} {', '.join(map(str, each))}: {what}"
        for (name, what), each in seeds.items()
    ]


def number_lines(rows: Sequence[Row], present: PresentCode) -> list[str]:
    """The numbers that were measured by other code, a line for all metrics of a row to which the same happened."""
    lines = []
    for row in rows:
        metrics: dict[str, dict[str, None]] = defaultdict(dict)
        for metric, code in sorted(row.code):
            for title in present.changed(dict(code)):
                metrics[title][metric] = None
        lines += [
            f"stale: {', '.join(names)} of {row.label} on {row.request.dataset.name}: "
            f"the code of {title} changed since it was measured"
            for title, names in metrics.items()
        ]
    return lines


def remedied(lines: Sequence[str], remedy: str) -> list[str]:
    """Lines, not too many of them, and what to do about it."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more, remedy] if lines else []
