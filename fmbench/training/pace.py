"""How far training is, how long it goes on, and at what learning rate: by optimiser steps, or by the clock."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from fmbench.request.schema import Train


@dataclass(frozen=True)
class Cost:
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
class TrainingState:
    """How far training is, and what it cost so far, what came before the first step included."""

    step: int = 0
    seconds: float = 0.0
    charged: float = 0.0
    """How many of the seconds came before the first step."""
    loss: float = math.nan
    losses: list[list[float]] = field(default_factory=list)
    """The losses of every player in the steps since the last line of the log."""


class StoppingRule(ABC):
    """When training ends."""

    @abstractmethod
    def over(self, state: TrainingState) -> bool:
        """Whether the budget is spent."""

    @abstractmethod
    def decayed(self, state: TrainingState) -> float:
        """How much of the learning rate's decay lies behind, from 0 to 1."""

    @abstractmethod
    def spent(self, state: TrainingState) -> float:
        """The share of the budget that is spent, from 0 to 1, without what preparation took."""

    @abstractmethod
    def marks(self, state: TrainingState, count: int) -> int:
        """How many of `count` marks, laid evenly over the budget, are reached."""

    @abstractmethod
    def gauge(self, state: TrainingState) -> tuple[int, int]:
        """(done, total) in the unit of the budget, for a progress bar."""


@dataclass(frozen=True)
class AfterSteps(StoppingRule):
    """A number of optimiser steps.

    Args:
        steps: how many.
        warmup: those before the decay.
    """

    steps: int
    warmup: int

    def over(self, state: TrainingState) -> bool:
        """After the last step."""
        return state.step >= self.steps

    def decayed(self, state: TrainingState) -> float:
        """From the end of the warm-up to the last step."""
        return max(0.0, (state.step - self.warmup) / max(1, self.steps - self.warmup))

    def spent(self, state: TrainingState) -> float:
        """The share of the steps."""
        return state.step / self.steps

    def marks(self, state: TrainingState, count: int) -> int:
        """The i-th lies at step i steps / count, rounded down."""
        return sum(self.steps * (i + 1) // count <= state.step for i in range(count))

    def gauge(self, state: TrainingState) -> tuple[int, int]:
        """In steps."""
        return state.step, self.steps


@dataclass(frozen=True)
class AfterSeconds(StoppingRule):
    """A number of seconds, and at least one step.

    Args:
        seconds: all that training may take, preparation included.
    """

    seconds: float

    def over(self, state: TrainingState) -> bool:
        """After the step in which time runs out."""
        return state.step > 0 and state.seconds >= self.seconds

    def decayed(self, state: TrainingState) -> float:
        """As much as is spent."""
        return self.spent(state)

    def spent(self, state: TrainingState) -> float:
        """The share of the time that preparation left."""
        left = self.seconds - state.charged
        return min(1.0, max(0.0, state.seconds - state.charged) / left) if left > 0 else 0.0

    def marks(self, state: TrainingState, count: int) -> int:
        """The i-th lies at i / count of the time that preparation left."""
        return count if self.over(state) else int(self.decayed(state) * count)

    def gauge(self, state: TrainingState) -> tuple[int, int]:
        """In seconds."""
        total = math.ceil(self.seconds)
        return min(total, int(state.seconds)), total


@dataclass(frozen=True)
class FirstSteps(StoppingRule):
    """The first steps of a longer budget, each as it is there.

    Args:
        rule: of the whole budget.
        steps: how many of its steps to take.
    """

    rule: StoppingRule
    steps: int

    def over(self, state: TrainingState) -> bool:
        """After those steps, or with the budget."""
        return state.step >= self.steps or self.rule.over(state)

    def decayed(self, state: TrainingState) -> float:
        """As in the whole budget."""
        return self.rule.decayed(state)

    def spent(self, state: TrainingState) -> float:
        """The share of the whole budget."""
        return self.rule.spent(state)

    def marks(self, state: TrainingState, count: int) -> int:
        """Laid over the whole budget."""
        return self.rule.marks(state, count)

    def gauge(self, state: TrainingState) -> tuple[int, int]:
        """In the steps to take."""
        return state.step, self.steps


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
