"""Tables for Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fmbench.report.grid import Entry, body, by_dataset, columns_of, heads
from fmbench.report.notes import notes
from fmbench.report.table import Row


def markdown(rows: Sequence[Row], names: Collection[str] | None = None) -> str:
    """GitHub's Markdown.

    Args:
        rows: of the table.
        names: of the numbers to show; None for the headline ones.
    """
    lines = []
    for dataset, group in by_dataset(rows):
        columns = columns_of(group, names)
        head = [markdown_escape(text) for text in joined(heads(columns))]
        lines += [f"**{dataset}**", "", markdown_line(head), "|:--|" + "--:|" * (len(head) - 1)]
        lines += [markdown_line(map(markdown_cell, line)) for line in body(group, columns)]
        lines += ["", *(f"{markdown_escape(line)}  " for line in notes(group, columns)), ""]
    return "\n".join(lines)


def latex(rows: Sequence[Row], names: Collection[str] | None = None) -> str:
    """LaTeX with booktabs.

    Args:
        rows: of the table.
        names: of the numbers to show; None for the headline ones.
    """
    lines = ["% needs \\usepackage{booktabs}"]
    for dataset, group in by_dataset(rows):
        columns = columns_of(group, names)
        head = [latex_escape(text) for text in joined(heads(columns))]
        lines += [
            f"\\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            "\\toprule",
            latex_line(head),
            "\\midrule",
        ]
        lines += [latex_line(map(latex_cell, line)) for line in body(group, columns)]
        lines += ["\\bottomrule", "\\end{tabular}"]
        lines += [f"% {dataset}: {line}" for line in notes(group, columns)]
    return "\n".join(lines) + "\n"


def joined(heads_: Iterable[tuple[str, str]]) -> list[str]:
    """Heads on one line."""
    return [f"{text} ({qualifier})" if qualifier else text for text, qualifier in heads_]


def markdown_line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def markdown_cell(entry: Entry) -> str:
    """The text, bold if it is the best."""
    text = markdown_escape(entry.text)
    return f"**{text}**" if entry.best else text


def markdown_escape(text: str) -> str:
    """Text without its Markdown meaning."""
    return "".join(f"\\{letter}" if letter in "\\|*_`<>[]" else letter for letter in text)


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u2193": r"$\downarrow$", "\u2191": r"$\uparrow$",
    "\u00b1": r"$\pm$", "\u2020": r"$^\dagger$", "\u2013": "--",
}  # fmt: skip


def latex_line(cells: Iterable[str]) -> str:
    """A line of a LaTeX table."""
    return " & ".join(cells) + r" \\"


def latex_cell(entry: Entry) -> str:
    """The text, bold if it is the best."""
    text = latex_escape(entry.text)
    return rf"\textbf{{{text}}}" if entry.best else text


def latex_escape(text: str) -> str:
    """Text without its LaTeX meaning."""
    return "".join(LATEX.get(letter, letter) for letter in text)
