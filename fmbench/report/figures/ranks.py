"""Which places each method may have by a number, as far as the training seeds tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench.errors import FmbenchError
from fmbench.report.cells import Column
from fmbench.report.compare import CONTROL, Rank, ranking
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.looks import family_handles
from fmbench.report.figures.style import SMALL, caption, figure
from fmbench.report.figures.subject import Subject, axis_label
from fmbench.report.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.17  # inches a row
HOW = (
    "A bar is all places that a row may have: 1 + how many are ahead of it for certain, to n - how many are behind it."
)


def ranks(order: Order) -> Figure:
    """A bar a row from its best place to its worst, the best row on top; its number beside it.

    Raises:
        FmbenchError: nothing was measured that it could show, or one seed tells no ranks.
    """
    subject = Subject.of(order)
    column = subject.column(order.number or subject.quality())
    ranked = competing(subject, column)
    with figure(height=LINE * len(ranked) + 1.3) as picture:
        axes = picture.subplots()
        draw_ranks(axes, ranked, column, subject)
        looks = [subject.looks[row.label] for _, row in ranked]
        picture.legend(handles=family_handles(looks), loc="outside upper left", ncols=4, handletextpad=0.4)
        caption(picture, *subject.sentences([column]), *unranked(subject, column), HOW)
    return picture


def competing(subject: Subject, column: Column) -> list[tuple[Rank, Row]]:
    """The rows that compete, the best first.

    Raises:
        FmbenchError: the number has no better direction, or fewer than two rows have two seeds.
    """
    spec = column.number
    if not spec.better:
        raise FmbenchError(f"--number {column.name!r} is better neither high nor low: choose another to rank by")
    sign = -1 if spec.better == "higher" else 1
    pairs = zip(ranking(subject.rows, column), subject.rows, strict=True)
    ranked = [(rank, row) for rank, row in pairs if rank is not None]
    if not ranked:
        raise FmbenchError(
            f"no ranks by {spec.label} on {subject.dataset!r}: they need two rows of two training seeds each; run more "
            "by 'fmbench run --seeds 3'"
        )
    return sorted(ranked, key=lambda pair: (pair[0], sign * pair[1].cells[column].mean, pair[1].label))


def draw_ranks(axes: Axes, ranked: list[tuple[Rank, Row]], column: Column, subject: Subject) -> None:
    """The bars, and the number with its interval at the right."""
    from matplotlib.ticker import MaxNLocator

    for place, (rank, row) in enumerate(ranked):
        look = subject.looks[row.label]
        axes.plot([rank.low, rank.high], [place, place], color=look.colour, linewidth=3.5, solid_capstyle="round")
        if rank.low == rank.high:
            axes.plot([rank.low], [place], color=look.colour, marker="o", markersize=5.5)
        axes.annotate(
            in_words(row, column),
            xy=(1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=SMALL,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(ranked)), [row.label for _, row in ranked], parse_math=False)
    axes.set(xlim=(0.5, len(ranked) + 0.5), ylim=(len(ranked) - 0.5, -0.5), xlabel=f"place by {axis_label(column)}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="y", length=0)


def in_words(row: Row, column: Column) -> str:
    """The number and its interval."""
    cell, decimals = row.cells[column], column.number.decimals
    interval = "" if cell.interval is None else f" \u00b1 {cell.interval:.{decimals}f}"
    return f"{cell.mean:.{decimals}f}{interval}"


def unranked(subject: Subject, column: Column) -> list[str]:
    """Who has the number and competes with none."""
    having = [row for row in subject.rows if column in row.cells]
    controls = [row.label for row in having if row.family == CONTROL]
    biased = [row.label for row in having if row.family != CONTROL and row.cells[column].biased]
    lines = [f"Controls are not ranked: {', '.join(controls)}."] if controls else []
    return lines + ([f"Biased, hence not ranked: {', '.join(biased)}."] if biased else [])
