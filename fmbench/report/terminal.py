"""Tables for a terminal, however narrow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fmbench.report.grid import Entry, body, by_dataset, columns_of, heads
from fmbench.report.notes import notes
from fmbench.report.table import Row

SPACING, EDGE = 2, 1  # after a column, before the first


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
            table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="bold", title_justify="left")
            table.title = escape(self.title) if index == 0 else None
            for column in [0, *columns]:
                # Only names may be folded: half a number is another number.
                text = Text("\n".join(self.head[column]))
                table.add_column(text, justify="right" if column else "left", overflow="fold", no_wrap=column > 0)
            for line in self.body:
                entries = [line[column] for column in [0, *columns]]
                table.add_row(*(Text(entry.text, style="bold" if entry.best else "") for entry in entries))
            yield table

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
