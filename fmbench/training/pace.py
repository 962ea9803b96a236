"""How far training is, how long it goes on, and at what learning rate: by optimiser steps, or by the clock."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from fmbench.request.schema import Train


@dataclass(frozen=True)
class Charge:
    """What a method did before its first step, as its teacher's training: it counts as training.

    Args:
        seconds: it took.
        images: it saw.
        flops: of its optimiser steps.
    """

    seconds: float = 0.0
    images: int = 0
    flops: float = 0.0


@dataclass
class Progress:
    """How far training is, and what it cost so far, the charge included."""

    step: int = 0
    seconds: float = 0.0
    charged: float = 0.0
    """Of the seconds those before the first step."""
    loss: float = math.nan
    losses: list[float] = field(default_factory=list)
    """Of the steps since the last line of the log."""


class Extent(ABC):
    """When training ends."""

    @abstractmethod
    def over(self, progress: Progress) -> bool:
        """Whether the budget is spent."""

    @abstractmethod
    def decayed(self, progress: Progress) -> float:
        """How much of the learning rate's decay lies behind, from 0 to 1."""

    @abstractmethod
    def marks(self, progress: Progress, count: int) -> int:
        """How many of `count` marks, laid evenly over the budget, are reached."""

    @abstractmethod
    def gauge(self, progress: Progress) -> tuple[int, int]:
        """(done, total) in the unit of the budget, for a progress bar."""


@dataclass(frozen=True)
class Steps(Extent):
    """A number of optimiser steps.

    Args:
        steps: how many.
        warmup: those before the decay.
    """

    steps: int
    warmup: int

    def over(self, progress: Progress) -> bool:
        """After the last step."""
        return progress.step >= self.steps

    def decayed(self, progress: Progress) -> float:
        """From the end of the warm-up to the last step."""
        return max(0.0, (progress.step - self.warmup) / max(1, self.steps - self.warmup))

    def marks(self, progress: Progress, count: int) -> int:
        """The i-th lies at step i steps / count, rounded down."""
        return sum(self.steps * (i + 1) // count <= progress.step for i in range(count))

    def gauge(self, progress: Progress) -> tuple[int, int]:
        """In steps."""
        return progress.step, self.steps


@dataclass(frozen=True)
class Clock(Extent):
    """A number of seconds, and at least one step.

    Args:
        seconds: all that training may take, what is charged to it included.
    """

    seconds: float

    def over(self, progress: Progress) -> bool:
        """After the step in which time runs out."""
        return progress.step > 0 and progress.seconds >= self.seconds

    def decayed(self, progress: Progress) -> float:
        """The share that is spent of the time that the charge left."""
        left = self.seconds - progress.charged
        return min(1.0, max(0.0, progress.seconds - progress.charged) / left) if left > 0 else 0.0

    def marks(self, progress: Progress, count: int) -> int:
        """The i-th lies at i / count of the time that the charge left."""
        return count if self.over(progress) else int(self.decayed(progress) * count)

    def gauge(self, progress: Progress) -> tuple[int, int]:
        """In seconds."""
        total = math.ceil(self.seconds)
        return min(total, int(progress.seconds)), total


def learning_rate(settings: Train, step: int, decayed: float) -> float:
    """The rate of step 0, 1, ...: a linear warm-up, then the decay, to zero at the end of the budget.

    Args:
        settings: the peak, the warm-up and the kind of decay.
        step: counted from 0.
        decayed: how much of the decay lies behind, from 0 to 1.
    """
    rate = settings.lr * (step + 1) / settings.warmup if step < settings.warmup else settings.lr
    if settings.decay == "constant":
        return rate
    return rate * (0.5 * (1 + math.cos(math.pi * decayed)) if settings.decay == "cosine" else 1 - decayed)


def ema_decay(settings: Train, updates: int) -> float:
    """min(decay, (1 + n) / (10 + n)): without the warm-up a short run would score its initial weights."""
    return min(settings.ema, (1 + updates) / (10 + updates))
