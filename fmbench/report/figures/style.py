"""The one style of all figures: a page's width, colours that colour-blind readers tell apart, stable bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fmbench.errors import FmbenchError
from fmbench.store.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 6.75  # inches: the text of a paper's page
SMALL = 7  # points: labels of methods, captions
METADATA: dict[str, dict[str, None]] = {  # no dates and no versions: the same store gives the same bytes
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
SUFFIXES = tuple(METADATA)
# Okabe and Ito 2008, without their yellow, which is too faint for lines on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
GREY = "#8a8a8a"  # controls, floors and all else that does not compete
DENSITY = "viridis"  # of densities: even in lightness, hence in print and to colour-blind readers
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "font.size": 8,
    "grid.alpha": 0.5,
    "grid.color": "#d0d0d0",
    "grid.linewidth": 0.4,
    "image.cmap": DENSITY,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,  # outlines that publishers accept
    "savefig.dpi": 200,
    "svg.hashsalt": "fmbench",
    "xtick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.labelsize": SMALL,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
}


def palette(n: int) -> list[str]:
    """The first n colours, beginning again after the last: give markers or line styles too where n is large."""
    return [COLOURS[place % len(COLOURS)] for place in range(n)]


def styled() -> AbstractContextManager[None]:
    """matplotlib's defaults and STYLE, whatever its user's own settings are."""
    from matplotlib import style

    context: AbstractContextManager[None] = style.context(["default", STYLE])
    return context


@contextmanager
def figure(height: float, width: float = WIDTH) -> Iterator[Figure]:
    """An empty figure in the style, which lasts as long as the context; pyplot, and so any display, stays out of it.

    Args:
        height: in inches.
        width: in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        empty = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(empty)
        yield empty


def caption(figure: Figure, *sentences: str) -> None:
    """What the figure is of, under which protocol, in small type below it; empty sentences are dropped."""
    text = wrapped(" ".join(filter(None, sentences)), 72 * 0.98 * figure.get_figwidth())
    # Never as mathematics: a method's name may hold dollar signs.
    figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color="#404040", linespacing=1.3, parse_math=False)


def wrapped(text: str, width: float) -> str:
    """Text in SMALL type on lines of at most `width` points; a word that is longer has a line of its own."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=SMALL)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_to_path.get_text_width_height_descent(longer, font, ismath=False)[0] > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def check_suffix(path: Path) -> str:
    """The suffix of a figure's file, in small letters.

    Raises:
        FmbenchError: it is none of SUFFIXES.
    """
    suffix = path.suffix.lower()
    if suffix not in METADATA:
        raise FmbenchError(f"--output {str(path)!r}: end it in {', '.join(SUFFIXES)}")
    return suffix


def save(figure: Figure, path: Path) -> None:
    """Write a figure: all of it or nothing, and the same bytes for the same figure.

    Args:
        figure: made in the context `figure`.
        path: whose suffix is one of SUFFIXES; its folder is made.

    Raises:
        FmbenchError: the suffix is another, or the file system refuses.
    """
    suffix = check_suffix(path)

    def write(stream: BinaryIO) -> None:
        figure.savefig(stream, format=suffix[1:], metadata=METADATA[suffix])

    with styled():
        write_atomically(path, write)
