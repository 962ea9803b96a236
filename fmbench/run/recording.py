"""What a metric gives, as the store keeps it: numbers that are numbers, under names that are its own to give."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from fmbench.errors import ContractError
from fmbench.metrics.base import MetricValue
from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.registry.specs import FLOOR, MetricSpec
from fmbench.request.schema import RunRequest
from fmbench.store.records import MetricRecord


def records(run: RunRequest, metric: MetricSpec, values: Iterable[MetricValue], **facts: Any) -> list[MetricRecord]:
    """Values with the protocol that they were measured under; what its spec says of a number is written beside it.

    Tables are made without the plugin.
    """
    common = {"protocol": run.evaluation.protocol(metric.name), "evaluation": run.evaluation_overrides, **facts}
    return [MetricRecord(metric=metric.name, **common, **described(plain(value), metric)) for value in values]


def checked(values: Any, metric: MetricSpec) -> Sequence[MetricValue]:
    """What `measure` gave, when it is numbers that this metric may give.

    Raises:
        ContractError: it is something else, two have one name, or one has the name of a number of fmbench's own.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(value, MetricValue) for value in values):
        raise ContractError(f"metric {metric.name!r}: measure must give a list of MetricValue, not {values!r:.80}")
    names = [value.name for value in values]
    for name in names:
        if not isinstance(name, str) or not name:
            raise ContractError(f"metric {metric.name!r}: {name!r:.80} is no name of a number")
        if names.count(name) > 1:
            raise ContractError(f"metric {metric.name!r}: gives {name!r} twice")
        if name.removesuffix(FLOOR) in NUMBERS and metric.number(name) is None:
            raise ContractError(f"metric {metric.name!r}: {name!r} is fmbench's own number; give yours another name")
    return values


def described(value: MetricValue, metric: MetricSpec) -> dict[str, Any]:
    """The fields of a value, with what its metric's spec says of it."""
    declared = metric.number(value.name)
    if declared is None:
        return vars(value)
    own = {} if declared.name in NUMBERS else {"number": declared}
    return {**vars(value), "unit": value.unit or declared.unit, **own}


def plain(value: MetricValue) -> MetricValue:
    """A value of Python's own types, as JSON has them; what is no finite number is missing, and says so.

    A stranger's metric may give NumPy's numbers, or tensors.
    """
    number, what = finite(value.value)
    error, wrong = finite(value.error)
    details = {**value.details, "error": wrong} if wrong else value.details
    return replace(
        value,
        value=number,
        error=error if number is not None else None,
        n=int(value.n),
        details=jsonable(details),
        reason=value.reason or what,
    )


def finite(value: Any) -> tuple[float | None, str]:
    """A number, or None with what it is instead; nothing is said of None itself."""
    if value is None:
        return None, ""
    try:
        number = None if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several numbers, say
        number = None
    if number is None:
        return None, f"is {value!r:.80}, which is no number"
    return (number, "") if math.isfinite(number) else (None, f"is {number}")


def jsonable(part: Any) -> Any:
    """Details as JSON has them: NaN and infinity by name, arrays as lists, and what is something else as text."""
    if isinstance(part, Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray | np.generic):
        part = part.tolist()
    if isinstance(part, float) and not math.isfinite(part):
        return str(part)
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if isinstance(part, Mapping):
        return {str(key): jsonable(item) for key, item in part.items()}
    if isinstance(part, list | tuple | set | frozenset):
        return [jsonable(item) for item in part]
    return f"{part!r:.200}"
