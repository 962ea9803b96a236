"""Figures from the store alone: one file a kind, `kinds` lists them, `style` is what they share."""

from fmbench.report.figures.kinds import KINDS, Kind, Order, draw, kind_of

__all__ = ["KINDS", "Kind", "Order", "draw", "kind_of"]
