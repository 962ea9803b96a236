"""How each number is shown: its label, its decimals, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", ""]
FLOOR = "-floor"
HELD_OUT, TWO_TRUE = "Held-out real images", "Two true samples"


@dataclass(frozen=True)
class Number:
    """How a number is shown.

    Args:
        label: in the column's head.
        decimals: in text tables.
        better: the direction by which rows are ranked; "" where neither is better.
        headline: whether a text table shows it unasked.
        floor: what the number of the same name and FLOOR is measured on.
    """

    label: str
    decimals: int = 3
    better: Better = "lower"
    headline: bool = False
    floor: str = "Real data"


# In the order of their columns. What is right for 'nn-ratio' and 'copied' the held-out images tell: neither more nor
# less is better. So with 'ce-gap': points too near the peaks have a negative one; and with what a window of the plane
# holds. 'sample-seconds' depends on what else the machine does.
NUMBERS: Mapping[str, Number] = {
    "nll": Number("NLL", headline=True),
    "vlb": Number("bound", headline=True),
    "nll-gap": Number("NLL - truth", headline=True),
    "fid": Number("FID", 2, headline=True, floor=HELD_OUT),
    "fid-ratio": Number("FID / floor", 1, headline=True),
    "fid-inf": Number("FID-inf", 2, floor=HELD_OUT),
    "kid": Number("KID", 4, floor=HELD_OUT),
    "precision": Number("precision", 3, "higher", floor=HELD_OUT),
    "recall": Number("recall", 3, "higher", floor=HELD_OUT),
    "density": Number("density", 3, "higher", floor=HELD_OUT),
    "coverage": Number("coverage", 3, "higher", floor=HELD_OUT),
    "nn-ratio": Number("NN ratio", 3, "", headline=True),
    "copied": Number("copied", 3, ""),
    "w2": Number("W2", headline=True, floor=TWO_TRUE),
    "sliced-w2": Number("sliced W2", floor=TWO_TRUE),
    "energy-distance": Number("energy distance", 4, floor=TWO_TRUE),
    "mmd2": Number("MMD2", 4, floor=TWO_TRUE),
    "ce-gap": Number("CE gap", 3, "", floor=TWO_TRUE),
    "modes": Number("modes", 3, "higher", floor=TWO_TRUE),
    "mode-tv": Number("mode TV", floor=TWO_TRUE),
    "off-mode": Number("off mode", floor=TWO_TRUE),
    "off-support": Number("off support", floor=TWO_TRUE),
    "npe": Number("NPE"),
    "straightness": Number("straightness"),
    "mass": Number("mass in window", 3, "", floor="The true density on that grid"),
    "inside": Number("inside window", 3, "", floor="Held-out points"),
    "nfe": Number("NFE", 1, headline=True),
    "nfe-per-sample": Number("NFE (each alone)", 1),
    "nfe-nll": Number("NFE (NLL)", 1),
    "nfe-10pct": Number("NFE to 10 %", 1),
    "steps-10pct": Number("steps to 10 %", 0),
    "sample-seconds": Number("s/1000", 2, ""),
}


QUALITY = ("fid", "w2")  # of images, of points: the first that was measured is what a plot shows unasked


def number(name: str) -> Number:
    """How to show a number; one of a plugin that is not in NUMBERS under its own name, unranked."""
    return NUMBERS.get(name) or Number(name, better="", headline=True)


def is_floor(name: str) -> bool:
    """Whether the number is what real data reach: a note below the table, never a column."""
    return name.endswith(FLOOR)
