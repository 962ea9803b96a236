"""The section `budget` of a configuration: what every training may use up, in the unit that is to be equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from fmbench.errors import FmbenchError
from fmbench.registry.specs import MethodSpec
from fmbench.request.options import validate
from fmbench.request.schema import Budget, Train


class AskedBudget(Budget):
    """The section as it is written: exactly one of its keys."""

    steps: int | None = Field(default=None, ge=1, description="optimiser steps, a teacher's not counted")
    images: int | None = Field(default=None, ge=1, description="images or points seen, a teacher's included")


def asked_budget(given: Mapping[str, Any], train: Mapping[str, Any]) -> AskedBudget | None:
    """The budget that a configuration asks for, if it does.

    Args:
        given: the section `budget`.
        train: the section `train`.

    Raises:
        FmbenchError: it asks for several, or for train.steps too.
    """
    if not given:
        return None
    budget: AskedBudget = validate(AskedBudget, given, "budget")
    units = [f"budget.{unit}" for unit, value in given.items() if value is not None]
    if len(units) != 1:
        raise FmbenchError(f"budget: {' and '.join(units) or 'nothing'} given; give exactly one of its keys")
    if "steps" in train:
        raise FmbenchError(f"{units[0]} and train.steps both say how long to train; give one of them")
    return budget


def with_steps(train: Mapping[str, Any], budget: AskedBudget | None, method: MethodSpec) -> dict[str, Any]:
    """The section `train`, its steps as the budget says where one is asked for: over what method and dataset bring.

    A method with a teacher has half of the images, so that the teacher's count.

    Raises:
        FmbenchError: the images make no batch.
    """
    if budget is None:
        return dict(train)
    train = {key: value for key, value in train.items() if key != "steps"}
    if budget.steps is not None:
        train["steps"] = budget.steps
    if budget.images is not None:
        batch = Train(**train).batch_size * (2 if method.teacher else 1)
        if budget.images < batch:
            raise FmbenchError(f"budget.images = {budget.images}: must be at least {batch}, a step of {method.name!r}")
        train["steps"] = budget.images // batch
    return train


def limit(budget: AskedBudget | None) -> Budget | None:
    """The budget that is not a number of steps, and so a part of a run's identity."""
    if budget is None or (budget.seconds is None and budget.flops is None):
        return None
    return Budget(seconds=budget.seconds, flops=budget.flops)
