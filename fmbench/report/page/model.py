"""What the page says: everything it shows of a store, typed and ready to be written as HTML and JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench.report.columns import by_dataset
from fmbench.report.latex import latex
from fmbench.report.page.curves import LEARNING
from fmbench.report.page.lines import Lines, anchor, lines_of
from fmbench.report.page.rows import Axis, Family, RowView, axes_of, coloured, described, row_views
from fmbench.report.page.runs import Asked, Run, run_of
from fmbench.report.page.samples import Motions, Samples, motions_of, samples_file, samples_of
from fmbench.report.render import csv_table
from fmbench.report.sheet import sheets
from fmbench.report.table import Evaluation, Row, build
from fmbench.store.records import RunRecord
from fmbench.store.run import RunDirectory, find_runs

Home = tuple[RunDirectory, RunRecord]


@dataclass(frozen=True)
class DatasetView:
    """All that the page says of one dataset.

    Args:
        name: of the dataset.
        families: of its methods, in the table's order.
        table: to read.
        csv: the table for programs.
        latex: the table for papers.
        rows: in the order of the store.
        axes: of the plots.
        runs: every one.
        asked: what runs share.
        samples: of its rows.
        motions: of its rows, from noise to data, where they were recorded.
    """

    name: str
    families: Sequence[Family]
    table: Lines
    csv: str
    latex: str
    rows: Sequence[RowView]
    axes: Sequence[Axis]
    runs: Sequence[Run]
    asked: Asked
    samples: Samples
    motions: Motions

    @property
    def has_learning(self) -> bool:
        """Whether any run was measured while it learned."""
        return any(curve.metric == LEARNING for run in self.runs for curve in run.curves)

    def data(self) -> dict[str, Any]:
        """What the page's scripts read, as JSON-able values and dataclasses of them."""
        return {
            "name": self.name,
            "families": self.families,
            "rows": self.rows,
            "axes": self.axes,
            "runs": self.runs,
            "configs": self.asked.configs.values,
            "environments": self.asked.environments.values,
            "protocols": self.asked.protocols.values,
            "scatters": self.samples.scatters,
            "motions": self.motions.paths,
            "target": self.motions.target,
        }


def gather(root: Path, datasets: Sequence[str] | None = None) -> list[DatasetView]:
    """The datasets of a store, or some of them.

    Raises:
        FmbenchError: there is no such store, no run in it, or a file of it is damaged.
    """
    found: dict[str, list[Home]] = defaultdict(list)
    for directory in find_runs(root, *(datasets or ())):
        record = directory.record()
        found[record.request.dataset.name].append((directory, record))
    views = (view_of(root, name, rows, found[name]) for name, rows in by_dataset(build(root, datasets)))
    return [view for view in views if view is not None]


def view_of(root: Path, name: str, found: Sequence[Row], homes: Sequence[Home]) -> DatasetView | None:
    """One dataset, given its rows and the directories of its runs.

    Rows that came into being between the reading of the two are left to the next page; None where there are no others.
    """
    asked = Asked.empty()
    runs = [run_of(directory, record, root, asked) for directory, record in homes]
    by_anchor = runs_by_anchor(homes, runs)
    rows = [row for row in found if anchor(row.request, row.overrides) in by_anchor]
    if not rows:
        return None
    table = lines_of(name, rows)
    axes = axes_of(table.columns)
    views = row_views(rows, axes, by_anchor)
    firsts = [RunDirectory(root / runs[view.runs[0]].folder) for view in views]
    return DatasetView(
        name=name,
        families=coloured(rows),
        table=table,
        csv=csv_table(rows),
        latex=latex(sheets(rows)),
        rows=views,
        axes=described(axes, rows),
        runs=runs,
        asked=asked,
        samples=samples_of([samples_file(run, row) for run, row in zip(firsts, rows, strict=True)]),
        motions=motions_of(firsts),
    )


def runs_by_anchor(homes: Sequence[Home], runs: Sequence[Run]) -> dict[str, list[int]]:
    """The places of each row's runs, by its anchor: as in `build`, seeds that share an evaluation."""
    groups: dict[tuple[str, str, Evaluation], list[int]] = defaultdict(list)
    for place, ((_, record), run) in enumerate(zip(homes, runs, strict=True)):
        for evaluation in run.evaluations:
            groups[record.request.method.name, record.config_id, evaluation].append(place)
    found = {}
    for (_, _, evaluation), places in groups.items():
        first, last = homes[places[0]][1], homes[places[-1]][1]
        overrides = {**last.overrides, **dict(evaluation)}
        found[anchor(first.request, overrides)] = sorted(places, key=lambda place: runs[place].seed)
    return found
