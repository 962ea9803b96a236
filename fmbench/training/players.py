"""Who learns in a step: each player its own optimiser, clipping and average; most methods have one player."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from fmbench.errors import FmbenchError
from fmbench.methods.base import Method, Player
from fmbench.request.schema import Train
from fmbench.training.weights import FlatWeights


class Learner:
    """A player with its weights as one vector, its optimiser and, where samples need it, its weight average.

    Args:
        player: of the method.
        settings: of the optimiser.
    """

    def __init__(self, player: Player, settings: Train) -> None:
        self.player, self.clip = player, settings.clip
        self.weights = FlatWeights(player.module)
        self.average = self.weights.vector.detach().clone() if player.scored else None
        self.optimiser = torch.optim.AdamW(
            [self.weights.vector],
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            weight_decay=settings.weight_decay,
            fused=True,
        )

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return self.weights.size

    def step(self, rate: float, ema: float) -> None:
        """Descend along the gathered gradient, clipped, and move the average by 1 - ema towards the weights."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.player.rate
        self.weights.clip_gradient(self.clip)
        self.optimiser.step()
        if self.average is not None:
            self.average.lerp_(self.weights.vector.detach(), 1 - ema)

    def tensors(self) -> list[Tensor]:
        """The weights and their average."""
        return [self.weights.vector.data, *([] if self.average is None else [self.average])]


class Learners(Sequence[Learner]):
    """All players of a method, in the order in which they step.

    Args:
        method: whose players they are.
        settings: of their optimisers.

    Raises:
        FmbenchError: a trainable parameter belongs to no player, or to two; or none is scored.
    """

    def __init__(self, method: Method, settings: Train) -> None:
        players = method.players()
        check(method, players)
        self._learners = [Learner(player, settings) for player in players]

    def __getitem__(self, index: Any) -> Any:
        return self._learners[index]

    def __len__(self) -> int:
        return len(self._learners)

    @property
    def main(self) -> int:
        """The index of the first one that samples need; its loss is the method's."""
        return next(index for index, learner in enumerate(self._learners) if learner.player.scored)

    @property
    def params(self) -> int:
        """How many trained parameters samples need: no frozen copy, and none of a teacher's."""
        return sum(learner.size for learner in self._learners if learner.player.scored)

    @property
    def training_only(self) -> int:
        """How many parameters samples do not need."""
        return sum(learner.size for learner in self._learners if not learner.player.scored)

    @contextmanager
    def alone(self, index: int) -> Iterator[Learner]:
        """One of them, while gradients pass through the others without reaching their parameters."""
        others = [learner.weights for place, learner in enumerate(self._learners) if place != index]
        for weights in others:
            weights.require_gradients(wanted=False)
        try:
            yield self._learners[index]
        finally:
            for weights in others:
                weights.require_gradients(wanted=True)

    def averages(self) -> dict[str, Tensor]:
        """The averaged weights of those that samples need, by player."""
        return {learner.player.name: learner.average for learner in self._learners if learner.average is not None}

    def optimisers(self) -> dict[str, Any]:
        """The states of the optimisers, by player."""
        return {learner.player.name: learner.optimiser.state_dict() for learner in self._learners}

    def resume(self, averages: Any, optimisers: Any) -> None:
        """Take up what a checkpoint has of both."""
        for name, average in by_player(averages, list(self.averages())).items():
            self.averages()[name].copy_(average)
        states = by_player(optimisers, [learner.player.name for learner in self._learners])
        for learner in self._learners:
            learner.optimiser.load_state_dict(states[learner.player.name])


def check(method: Method, players: Sequence[Player]) -> None:
    """Whether each trainable parameter belongs to one player.

    Raises:
        FmbenchError: one belongs to none, or to two; two players share a name; or none is scored.
    """
    title = type(method).__name__
    names = [player.name for player in players]
    if len(set(names)) < len(names) or not any(player.scored for player in players):
        raise FmbenchError(f"{title}.players(): names must differ, and samples must need one of them: {names}")
    owners: dict[int, list[str]] = {}
    for player in players:
        for parameter in player.module.parameters():
            owners.setdefault(id(parameter), []).append(player.name)
    for name, parameter in method.named_parameters():
        mine = owners.get(id(parameter), [])
        if parameter.requires_grad and len(mine) != 1:
            whose = " and ".join(mine) or "none of them"
            raise FmbenchError(f"{title}.players(): parameter {name} belongs to {whose}; give it to one of {names}")


def by_player(part: Any, names: Sequence[str]) -> dict[str, Any]:
    """A part of a checkpoint by player; before there were several it stood alone."""
    return part if isinstance(part, dict) and set(names) <= set(part) else {names[0]: part}


def assign_averages(method: Method, averages: Any) -> None:
    """Give a method the averaged weights of a checkpoint."""
    scored = {player.name: player.module for player in method.players() if player.scored}
    for name, average in by_player(averages, list(scored)).items():
        FlatWeights(scored[name]).assign(average)
