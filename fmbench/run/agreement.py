"""Whether two trainings are one: the losses in their logs, compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, equal

from fmbench.store.files import read_lines
from fmbench.store.run import RunDirectory

TOLERANCE = 1e-4  # relative, of losses on another kind of processor: its last bits differ, and grow from step to step
REMEDY = "the run is stale: `fmbench run --rerun stale` trains it anew"
Curve = dict[int, dict[str, float]]
"""The losses in each line of a training's log, by step and name."""


@dataclass(frozen=True)
class Verdict:
    """What became of one run.

    Args:
        outcome: whether what was trained again agrees, or why nothing was.
        text: a line for people.
        difference: the largest relative one; None where nothing was compared.
        steps: of training that were compared.
    """

    outcome: Literal["agrees", "differs", "failed", "skipped"]
    text: str
    difference: float | None = None
    steps: int = 0


def curve_of(directory: RunDirectory) -> Curve:
    """The losses in a training's log."""
    return {
        line["step"]: {name: value for name, value in line.items() if name.partition("_")[0] == "loss"}
        for line in read_lines(directory.train_log)
    }


def compare(stored: Curve, now: Curve, tolerance: float) -> Verdict:
    """Whether losses agree, and where they do not at first."""
    worst = 0.0
    for step, losses in sorted(stored.items()):
        difference = apart_at(step, stored, now)
        worst = max(worst, difference)
        if difference > tolerance:
            name = max(losses, key=lambda name: relative(losses[name], now[step].get(name, math.nan)))
            text = f"{name} at step {step} was {losses[name]!r} and is {now[step].get(name)!r} now; {REMEDY}"
            return Verdict("differs", text, difference if math.isfinite(difference) else None, step)
    steps = max(stored)
    return Verdict("agrees", f"agrees {closeness(worst)} over {steps} step{'s' * (steps > 1)}", worst, steps)


def apart_at(step: int, stored: Curve, now: Curve) -> float:
    """The largest relative difference of the losses of a line; infinite where one is not there any more."""
    return max(relative(loss, now[step].get(name, math.nan)) for name, loss in stored[step].items())


def relative(one: float, other: float) -> float:
    """How far two losses are apart, by the larger one; infinite where one is no number."""
    if one == other:
        return 0.0
    difference = abs(one - other) / max(abs(one), abs(other))
    return difference if math.isfinite(difference) else math.inf


def closeness(difference: float) -> str:
    """How well losses agree, in words."""
    return f"to {difference:.1e}, relatively," if difference else "to the bit"


def apart(a: Tensor, b: Tensor) -> float:
    """The largest difference of two tensors, by the largest of their values."""
    if a.shape != b.shape:
        return math.inf
    if equal(a, b):
        return 0.0
    return float((a.double() - b.double()).abs().max() / a.double().abs().max())
