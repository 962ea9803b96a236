"""What can go wrong, in words for the person at the keyboard."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class FmbenchError(Exception):
    """A request that makes no sense or cannot be met: one line that says what, why and what to do.

    The command line prints it without a traceback and exits with 2.
    """


class ContractError(FmbenchError):
    """What a plugin brought is not what docs/plugins.md asks of it: one line that names it and what is wrong."""


class DivergedError(Exception):
    """Training met a loss that is not finite; the run becomes a failed row.

    Args:
        step: the first optimiser step (counted from 1) whose loss was not finite.
        value: that loss.
    """

    def __init__(self, step: int, value: float) -> None:
        super().__init__(f"loss is {value} at step {step}")
        self.step = step


class SolverError(Exception):
    """A numerical solve gave no answer (the step size underflowed, or the state left the finite numbers)."""


class Unavailable(Exception):  # noqa: N818 - not a fault: the cell's content
    """A number cannot be had here (weights absent, say); its text becomes the cell's reason."""


def describe(error: BaseException) -> str:
    """An exception in one line; our own errors are sentences already."""
    text = " ".join(str(error).split())
    return text if isinstance(error, FmbenchError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def found(value: Any) -> str:
    """What a plugin gave in place of a tensor that was asked for, in words: its dtype and shape, or its type."""
    tensor = hasattr(value, "dtype") and hasattr(value, "shape")
    return f"{value.dtype} of shape {tuple(value.shape)}" if tensor else f"a {type(value).__name__}"


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> FmbenchError:
    """An error that names the unknown thing, its nearest match and the list.

    Args:
        kind: what was looked for, as "method" or "key of train".
        name: what was asked.
        known: what there is.
        hint: a sentence to end on.
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name.lower(), choices, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(choices) or "none"
    return FmbenchError(f"unknown {kind} {name!r}.{guess} Known: {listed}." + (f" {hint}" if hint else ""))
