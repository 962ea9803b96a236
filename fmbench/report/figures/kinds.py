"""The kinds of figures, by name. Their modules are imported when one is drawn, so that `--help` stays instant."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.errors import FmbenchError, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Order:
    """What a figure is asked to show.

    Args:
        root: the results directory.
        dataset: whose runs.
        rows: names of methods, in which * and ? stand for any letters; empty for all.
        number: which of the table's numbers, as "nll"; "" for the kind's own choice.
        cost: what it is drawn against: "nfe" or "train-seconds"; "" for the kind's own choice.
        plugins: files of further plugins, where the data itself is shown.
    """

    root: Path
    dataset: str
    rows: tuple[str, ...] = ()
    number: str = ""
    cost: str = ""
    plugins: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Args:
        factory: "package.module:function", from an Order to a Figure.
        summary: one line for `fmbench plot --help`.
        takes: which of an order's "number" and "cost" it heeds.
    """

    factory: str
    summary: str
    takes: frozenset[str] = frozenset()

    def load(self) -> Callable[[Order], Figure]:
        """Import the function."""
        module, _, name = self.factory.partition(":")
        function: Callable[[Order], Figure] = getattr(importlib.import_module(module), name)
        return function


NUMBER = frozenset({"number"})
HERE = "fmbench.report.figures"
KINDS: Mapping[str, Kind] = {
    "samples": Kind(f"{HERE}.samples:samples", "samples of every method, side by side"),
    "neighbours": Kind(f"{HERE}.neighbours:neighbours", "images beside the training images nearest to them"),
    "restoration": Kind(f"{HERE}.restoration:restoration", "super-resolution: given, drawn and true images"),
    "nfe": Kind(f"{HERE}.nfe:nfe", "FID (of points: W2) against network evaluations", NUMBER),
    "cost": Kind(f"{HERE}.cost:cost", "FID (of points: W2) and NLL against training time"),
    "pareto": Kind(f"{HERE}.pareto:pareto", "quality against cost, with the front", NUMBER | {"cost"}),
    "ranks": Kind(f"{HERE}.ranks:ranks", "the places that each method may have by a number", NUMBER),
    "training": Kind(f"{HERE}.training:training", "training loss against steps, by family"),
    "flow": Kind(f"{HERE}.flow:flow", "points in the plane: density, paths and field, a row a method"),
    "density": Kind(f"{HERE}.flow:density", "points in the plane: data, true density and learned ones"),
}


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        FmbenchError: there is none.
    """
    if name not in KINDS:
        raise unknown("kind of figure", name, KINDS)
    return KINDS[name]


def draw(name: str, order: Order) -> Figure:
    """The figure of a kind; `style.save` writes it.

    Raises:
        FmbenchError: there is no such kind, it does not heed what was asked, or the store has nothing to show.
    """
    kind = kind_of(name)
    for option in ("number", "cost"):
        if getattr(order, option) and option not in kind.takes:
            heeding = ", ".join(name for name, figure in KINDS.items() if option in figure.takes)
            raise FmbenchError(f"--{option} with {name!r}: leave it out, it is heeded by {heeding or 'no kind'} only")
    return kind.load()(order)
