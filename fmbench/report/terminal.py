"""Tables for a terminal, however narrow."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from fmbench.report.grid import Entry, body, by_dataset, columns_of, heads
from fmbench.report.notes import notes
from fmbench.report.table import Row

SPACING, EDGE = 2, 1  # after a column, before the first
RULE, BOLD = "\u2500", Style(bold=True)
Lines = Iterator[Segment]


def rich_table(rows: Sequence[Row], names: Collection[str] | None = None) -> RenderableType:
    """One table a dataset, its protocol and its floors below.

    Args:
        rows: of the table.
        names: of the numbers to show; None for the headline ones.
    """
    parts: list[RenderableType] = []
    for dataset, group in by_dataset(rows):
        columns = columns_of(group, names)
        head = [[text, *qualifier.split(", ")] for text, qualifier in heads(columns)]
        parts.append(Folded(dataset, head, body(group, columns)))
        parts += [*(Text(line, style="dim") for line in notes(group, columns)), Text("")]
    return Group(*parts)


@dataclass(frozen=True)
class Folded:
    """A table whose columns, where they do not fit side by side, go on below, beside the first column again.

    It writes its own lines: rich's table lays every cell out as a document, which takes a minute of thousands of rows.

    Args:
        title: above.
        head: the lines of each column's head.
        body: the entries of each row.
    """

    title: str
    head: list[list[str]]
    body: list[list[Entry]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As many tables as the width asks for."""
        for index, columns in enumerate(self.split(options.max_width)):
            widths = [self.width(column) for column in columns]
            rest = sum(widths) + SPACING * len(columns)
            # Only names may be folded: half a number is another number.
            first = max(1, min(self.width(0), options.max_width - EDGE - SPACING - rest))
            across = EDGE + first + SPACING + rest
            if index == 0:
                yield from line(Segment(set_cell_size(self.title, across), BOLD))
            yield from line(Segment(" " * across))
            yield from self.heads(columns, first, widths)
            yield from line(Segment(f" {RULE * (across - 2)} "))
            for entries in self.body:
                yield from row(fold(console, entries[0].text, first), [entries[one] for one in columns], widths)
            yield from line(Segment(" " * across))

    def heads(self, columns: Sequence[int], first: int, widths: Sequence[int]) -> Lines:
        """The heads, each standing on the rule."""
        height = max(len(self.head[column]) for column in [0, *columns])
        lines = [[""] * (height - len(head)) + head for head in self.head]
        for level in range(height):
            entries = [Entry(lines[column][level], best=True) for column in columns]
            yield from row([set_cell_size(lines[0][level], first)], entries, widths, BOLD)

    def split(self, width: int) -> list[list[int]]:
        """Which columns, the first aside, go side by side."""
        first = min(self.width(0), width // 3) + SPACING + EDGE
        parts: list[list[int]] = [[]]
        left = width - first
        for column in range(1, len(self.head)):
            needed = self.width(column) + SPACING
            if needed > left and parts[-1]:
                parts.append([])
                left = width - first
            parts[-1].append(column)
            left -= needed
        return parts

    def width(self, column: int) -> int:
        """What a column needs."""
        return max(map(cell_len, [*self.head[column], *(line[column].text for line in self.body)]))


def row(names: Sequence[str], entries: Sequence[Entry], widths: Sequence[int], style: Style | None = None) -> Lines:
    """A row: the lines of its name, of equal width and in a style, and on the first of them the rest."""
    for level, name in enumerate(names):
        yield Segment(" " * EDGE)
        yield Segment(name, style)
        for entry, width in zip(entries, widths, strict=True):
            text = entry.text if level == 0 else ""
            yield Segment(" " * (SPACING + width - cell_len(text)))
            yield Segment(text, BOLD if entry.best else None)
        yield from line(Segment(" " * SPACING))


def fold(console: Console, text: str, width: int) -> list[str]:
    """Text on lines of a width."""
    lines = [text] if cell_len(text) <= width else [part.plain for part in Text(text).wrap(console, width)]
    return [set_cell_size(part, width) for part in lines]


def line(segment: Segment) -> Lines:
    """The end of a line."""
    yield segment
    yield Segment.line()
