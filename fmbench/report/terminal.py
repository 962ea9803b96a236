"""Tables for a terminal, however narrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from fmbench.report.sheet import TIED, Entry, Section, Sheet

SPACING, EDGE = 2, 1  # after a column, before the first
RULE, BOLD, FAMILY = "\u2500", Style(bold=True), Style(italic=True)
Lines = Iterator[Segment]


def rich_table(sheets: Sequence[Sheet]) -> RenderableType:
    """One table a dataset, its footnotes and protocol below."""
    parts: list[RenderableType] = []
    for sheet in sheets:
        head = [[text, *qualifier.split(", ")] for text, qualifier in sheet.heads]
        parts.append(Folded(sheet.title, head, sheet.sections))
        parts += [*(Text(line, style="dim") for line in sheet.below()), Text("")]
    return Group(*parts)


def text_of(entry: Entry) -> str:
    """An entry with its marks."""
    tied = TIED if entry.tied else ""
    return f"{entry.text}{tied} [{', '.join(entry.marks)}]" if entry.marks else f"{entry.text}{tied}"


@dataclass(frozen=True)
class Folded:
    """A table whose columns, where they do not fit side by side, go on below, beside the first column again.

    It writes its own lines: rich's table lays every cell out as a document, which takes a minute of thousands of rows.

    Args:
        title: above.
        head: the lines of each column's head.
        sections: its lines.
    """

    title: str
    head: list[list[str]]
    sections: Sequence[Section]

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
            for section in self.sections:
                if section.title:
                    width = max(across, min(EDGE + cell_len(section.title), options.max_width))
                    for part in fold(console, section.title, width - EDGE):
                        yield from line(Segment(f"{' ' * EDGE}{part}", FAMILY))
                for entries in section.lines:
                    name = fold(console, text_of(entries[0]), first)
                    yield from row(name, [entries[place] for place in columns], widths)
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
        texts = (text_of(line[column]) for section in self.sections for line in section.lines)
        return max(map(cell_len, [*self.head[column], *texts]))


def row(names: Sequence[str], entries: Sequence[Entry], widths: Sequence[int], style: Style | None = None) -> Lines:
    """A row: the lines of its name, of equal width and in a style, and on the first of them the rest."""
    for level, name in enumerate(names):
        yield Segment(" " * EDGE)
        yield Segment(name, style)
        plain = ""  # all that is in no style is one segment up to what is in one: rich takes its time for each
        for entry, width in zip(entries, widths, strict=True):
            text = text_of(entry) if level == 0 else ""
            plain += " " * (SPACING + width - cell_len(text))
            if entry.best:
                yield from (Segment(plain), Segment(text, BOLD))
                plain = ""
            else:
                plain += text
        yield from line(Segment(plain + " " * SPACING))


def fold(console: Console, text: str, width: int) -> list[str]:
    """Text on lines of a width."""
    lines = [text] if cell_len(text) <= width else [part.plain for part in Text(text).wrap(console, width)]
    return [set_cell_size(part, width) for part in lines]


def line(segment: Segment) -> Lines:
    """The end of a line."""
    yield segment
    yield Segment.line()
