"""The papers' numbers beside ours, with what differs in how they were measured."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from fmbench.errors import FmbenchError, unknown
from fmbench.report.cells import Cell, Column
from fmbench.report.columns import ARROWS, by_dataset, text_of
from fmbench.report.numbers import number
from fmbench.report.sheet import Entry, Footnotes, Section, Sheet
from fmbench.report.table import Row

HEADS = [
    ("method", ""),
    (f"NLL{ARROWS['lower']}", "ours"),
    (f"NLL{ARROWS['lower']}", "paper's, bits/dim"),
    (f"FID{ARROWS['lower']}", "ours"),
    (f"FID{ARROWS['lower']}", "paper's, Inception"),
    (f"NFE{ARROWS['lower']}", "ours"),
    (f"NFE{ARROWS['lower']}", "paper's"),
    ("paper's name", ""),
]
NOTE = (
    "A paper's number comes from its own network, training budget and code, each of which moves it: read it as what "
    "the method can do, not as what this table's row should have reached."
)


@dataclass(frozen=True)
class Published:
    """What a paper reports of a method; see published.md for the fields.

    Args:
        source: the paper.
        table: where in it.
        dataset: name of the data.
        method: our name of the method.
        paper_name: the paper's.
        numbers: by name, as printed.
        draws: dequantisation draws of the likelihood; "" where it is exact or the paper does not say.
        solver: by which samples were drawn.
        note: what else to know.
    """

    source: str
    table: str
    dataset: str
    method: str
    paper_name: str
    numbers: dict[str, str]
    draws: str
    solver: str
    note: str


def load() -> list[Published]:
    """All that the package knows."""
    text = resources.files("fmbench.report").joinpath("published.csv").read_text(encoding="utf-8")
    return [
        Published(
            numbers={name: line.pop(key) for name, key in (("nll", "nll_bpd"), ("fid", "fid"), ("nfe", "nfe"))}, **line
        )
        for line in csv.DictReader(text.splitlines())
    ]


def against(rows: Sequence[Row], dataset: str | None = None) -> list[Sheet]:
    """The rows of methods that papers report, beside the papers' numbers.

    Args:
        rows: of a store.
        dataset: of the papers' numbers; None for that of the rows.

    Raises:
        FmbenchError: no paper reports such data, or none of the methods.
    """
    known = load()
    datasets = {paper_number.dataset for paper_number in known}
    if dataset is not None and dataset not in datasets:
        raise unknown("data set with published numbers", dataset, datasets)
    found = []
    for name, group in by_dataset(rows):
        theirs = [paper_number for paper_number in known if paper_number.dataset == (dataset or name)]
        pairs = [
            (row, paper_number)
            for row in group
            for paper_number in theirs
            if paper_number.method == row.request.method.name
        ]
        if pairs:
            found.append(sheet(name, dataset or name, pairs))
    if not found:
        ours = ", ".join(name for name, _ in by_dataset(rows))
        raise FmbenchError(
            f"no published numbers of these methods on {dataset or ours}: there are some on "
            f"{', '.join(sorted(datasets))}, which --against published:NAME puts beside yours"
        )
    return found


def sheet(ours: str, theirs: str, pairs: Sequence[tuple[Row, Published]]) -> Sheet:
    """One dataset's rows, each beside a paper's."""
    footnotes = Footnotes()
    papers: dict[str, list[tuple[Row, Published]]] = defaultdict(list)
    for row, paper_number in pairs:
        papers[f"{paper_number.source}, {paper_number.table}"].append((row, paper_number))
    sections = [
        Section(paper, [line(row, paper_number, footnotes) for row, paper_number in papers[paper]])
        for paper in sorted(papers)
    ]
    notes = [NOTE]
    if ours != theirs:
        notes.insert(0, f"The papers' numbers are on {theirs}, ours on {ours}: compare the order, never the values.")
    return Sheet(ours, HEADS, sections, footnotes.all(), notes)


def line(row: Row, paper_number: Published, footnotes: Footnotes) -> list[Entry]:
    """Ours and the paper's, number by number; its footnotes say what differs in the measurement."""
    entries = [Entry(row.label)]
    for name, printed in paper_number.numbers.items():
        found = row.cell(name)
        entries.append(Entry("\u2013" if found is None else text_of(*found, row.seeds)))
        marks = footnotes.of(differences(name, row, paper_number, found)) if printed else ()
        entries.append(Entry(printed or "\u2013", marks=marks))
    return [
        *entries,
        Entry(paper_number.paper_name, marks=footnotes.of([paper_number.note] if paper_number.note else [])),
    ]


def differences(name: str, row: Row, paper_number: Published, found: tuple[Column, Cell] | None) -> list[str]:
    """What differs between the protocol of a paper's number and of ours."""
    texts = []
    if name == "nll" and found is not None:
        ours = f"K={json.loads(found[0].protocol).get('draws', 1)}" if found[0].unit == "bits/dim" else found[0].unit
        theirs = f"K={paper_number.draws}" if paper_number.draws else "K not stated"
        texts += [f"NLL: {theirs}; ours: {ours}."] if theirs != ours else []
    if name == "fid" and found is not None and found[1].family != "inception":
        texts.append(f"FID: on Inception features; ours: on those of {found[1].family}.")
    if name in {"fid", "nfe"} and row.sampler:
        ours = row.sampler["name"]
        if not paper_number.solver.startswith(ours):
            texts.append(f"{number(name).label}: samples by {paper_number.solver}; ours: by {ours}.")
    return texts
