"""How each number is shown: as fmbench ships it, as its record says, or under its own name."""

from __future__ import annotations

from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.registry.specs import FLOOR, Number

QUALITY = ("fid", "w2")  # of images, of points: the first that was measured is what a plot shows unasked


def number(name: str, declared: Number | None = None) -> Number:
    """How to show a number, or its floor.

    Args:
        name: of the number, or of its floor.
        declared: what the metric of a plugin said of it, as its record has it; without that it is unranked.
    """
    base = name.removesuffix(FLOOR)
    return NUMBERS.get(base) or declared or Number(base)


def is_floor(name: str) -> bool:
    """Whether the number is what real data reach: a note below the table, never a column."""
    return name.endswith(FLOOR)
