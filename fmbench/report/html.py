"""Tables in HTML: fragments for a page, and a document of their own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fmbench.report.sheet import TIED, Entry, Sheet

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 80rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
caption { text-align: left; font-weight: bold; padding: .4em 0 }
th, td { padding: .15em .6em; text-align: right }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
thead th { vertical-align: bottom; border-block: 2px solid; border-bottom-width: 1px }
tbody:last-of-type tr:last-child > * { border-bottom: 2px solid }
th small { display: block; font-weight: normal }
tbody th { font-weight: normal }
th.family { font-style: italic; padding-top: .6em }
.notes { font-size: 13px; max-width: 70rem; padding: .4em 0 1.5em }
"""


def html(sheets: Sequence[Sheet]) -> str:
    """A document that needs nothing beside it."""
    titles = ", ".join(sheet.title for sheet in sheets)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(titles)}</title>\n<style>{STYLE}</style>\n"
        + "".join(f'<div class="scroll">\n{table(sheet)}</div>\n{notes(sheet)}' for sheet in sheets)
        + "</html>\n"
    )


def table(sheet: Sheet) -> str:
    """A <table>; each family is a <tbody>, its name in the first row."""
    heads = "".join(f'<th scope="col">{head(*texts)}</th>' for texts in sheet.heads)
    bodies = []
    for section in sheet.sections:
        title = f'<tr><th class="family" colspan="{len(sheet.heads)}">{escape(section.title)}</th></tr>\n'
        rows = "".join(f"<tr>{row(entries)}</tr>\n" for entries in section.lines)
        bodies.append(f"<tbody>\n{title if section.title else ''}{rows}</tbody>\n")
    caption = f"<caption>{escape(sheet.title)}</caption>"
    return f"<table>\n{caption}\n<thead>\n<tr>{heads}</tr>\n</thead>\n{''.join(bodies)}</table>\n"


def notes(sheet: Sheet) -> str:
    """The lines below a table."""
    lines = [f"<sup>{letter}</sup> {escape(text)}" for letter, text in sheet.footnotes]
    lines += [escape(note) for note in sheet.notes]
    return '<div class="notes">\n' + "".join(f"<div>{line}</div>\n" for line in lines) + "</div>\n"


def head(text: str, qualifier: str) -> str:
    """A column's name, and below it its unit or protocol."""
    return f"{escape(text)}<small>{escape(qualifier)}</small>" if qualifier else escape(text)


def row(entries: Sequence[Entry]) -> str:
    """The cells of a line, its name first."""
    return f'<th scope="row">{cell(entries[0])}</th>' + "".join(f"<td>{cell(entry)}</td>" for entry in entries[1:])


def cell(entry: Entry) -> str:
    """The text, bold if it is the best, with its marks."""
    text = f"<b>{escape(entry.text)}</b>" if entry.best else escape(entry.text)
    marks = f" <sup>{', '.join(entry.marks)}</sup>" if entry.marks else ""
    return f"{text}{TIED if entry.tied else ''}{marks}"
