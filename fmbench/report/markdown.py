"""Tables in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fmbench.report.sheet import TIED, Entry, Sheet

SPECIAL = "\\|*_`<>[]&~$"


def markdown(sheets: Sequence[Sheet]) -> str:
    """Each table under its title, its footnotes and protocol below."""
    return "\n".join(line for sheet in sheets for line in lines(sheet))


def lines(sheet: Sheet) -> list[str]:
    """One table. The name of a family stands in a line of its own."""
    heads = [escape(f"{text} ({qualifier})" if qualifier else text) for text, qualifier in sheet.heads]
    written = [f"**{escape(sheet.title)}**", "", row(heads), "|:--|" + "--:|" * (len(heads) - 1)]
    for section in sheet.sections:
        if section.title:
            written.append(row([f"*{escape(section.title)}*", *[""] * (len(heads) - 1)]))
        written += [row(map(cell, entries)) for entries in section.lines]
    below = [f"<sup>{letter}</sup> {escape(text)}" for letter, text in sheet.footnotes]
    below += [escape(note) for note in sheet.notes]
    return [*written, "", *(f"{line}  " for line in below), ""]


def row(cells: Iterable[str]) -> str:
    """A line of the table."""
    return "| " + " | ".join(cells) + " |"


def cell(entry: Entry) -> str:
    """The text, bold if it is the best, with its marks."""
    text = f"**{escape(entry.text)}**" if entry.best else escape(entry.text)
    marks = f" <sup>{', '.join(entry.marks)}</sup>" if entry.marks else ""
    return f"{text}{TIED if entry.tied else ''}{marks}"


def escape(text: str) -> str:
    """Text without its Markdown meaning."""
    return "".join(f"\\{letter}" if letter in SPECIAL else letter for letter in text)
