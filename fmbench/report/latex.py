"""Tables in LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fmbench.report.sheet import TIED, Entry, Sheet

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{\ttfamily\char34}", "[": "{[}", "]": "{]}", "*": "{*}",
    "\u2193": r"$\downarrow$", "\u2191": r"$\uparrow$", "\u00b1": r"$\pm$", "\u2212": "$-$", "\u00d7": r"$\times$",
    "\u2020": r"$^\dagger$", "\u2021": r"$^\ddagger$", "\u2013": "--", "\u2014": "---",
}  # fmt: skip


def latex(sheets: Sequence[Sheet]) -> str:
    """A float for each table, its footnotes and protocol below it in small type."""
    head = ["% needs \\usepackage{booktabs}"]
    return "\n".join([*head, *(line for sheet in sheets for line in lines(sheet))]) + "\n"


def lines(sheet: Sheet) -> list[str]:
    """One float. The name of a family stands in a line of its own."""
    names, units = zip(*sheet.heads, strict=True)
    written = [
        r"\begin{table}",
        rf"\caption{{{escape(sheet.title)}}}",
        r"\centering\small",
        rf"\begin{{tabular}}{{@{{}}l{'r' * (len(names) - 1)}@{{}}}}",
        r"\toprule",
        row(map(escape, names)),
        row(rf"\scriptsize {escape(unit)}" if unit else "" for unit in units),
    ]
    for section in sheet.sections:
        written.append(r"\midrule")
        if section.title:
            written.append(rf"\multicolumn{{{len(names)}}}{{@{{}}l}}{{\emph{{{escape(section.title)}}}}} \\")
        written += [row(map(cell, entries)) for entries in section.lines]
    written += [r"\bottomrule", r"\end{tabular}", r"\par\medskip\raggedright\footnotesize"]
    written += [rf"\textsuperscript{{{letter}}} {escape(text)}\par" for letter, text in sheet.footnotes]
    written += [rf"{escape(note)}\par" for note in sheet.notes]
    return [*written, r"\end{table}"]


def row(cells: Iterable[str]) -> str:
    """A line of the table."""
    return " & ".join(cells) + r" \\"


def cell(entry: Entry) -> str:
    """The text, bold if it is the best, with its marks."""
    text = rf"\textbf{{{escape(entry.text)}}}" if entry.best else escape(entry.text)
    marks = rf"\textsuperscript{{{','.join(entry.marks)}}}" if entry.marks else ""
    return f"{text}{SPECIAL[TIED] if entry.tied else ''}{marks}"


def escape(text: str) -> str:
    """Text without its LaTeX meaning; a bracket or star that begins a line would be an argument of the line before."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)
