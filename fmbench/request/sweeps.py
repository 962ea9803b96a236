"""Sweeps: keys with the values that a grid gives them one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import yaml

from fmbench.errors import FmbenchError
from fmbench.request.files import nest
from fmbench.request.options import section
from fmbench.request.schema import flatten
from fmbench.request.values import read_yaml, shown

Sweep = dict[str, list[Any]]
"""The values of each dotted key."""


def parse(texts: Sequence[str]) -> Sweep:
    """What several `--sweep` say: ["train.lr=1e-3,2e-3"] as {"train.lr": ["1e-3", "2e-3"]}, a list of YAML.

    Raises:
        FmbenchError: one is not key=value,value, or a key is given twice.
    """
    sweep: Sweep = {}
    for text in texts:
        key, sign, values = text.partition("=")
        if not sign or not all(key.split(".")):
            raise FmbenchError(f"--sweep {text!r}: write key=value,value, as in --sweep train.lr=1e-3,2e-3")
        if key in sweep:
            raise FmbenchError(f"--sweep {text!r}: {key} is swept twice; put all of its values into one --sweep")
        try:
            sweep[key] = read_yaml(f"[{values}]")
        except yaml.YAMLError as error:
            raise FmbenchError(f"--sweep {text!r}: the values are not YAML with commas; quote them") from error
    return sweep


def of(tree: Mapping[str, Any]) -> Sweep:
    """What a configuration sweeps, keys nested or dotted.

    Raises:
        FmbenchError: the values of a key are not a list, or an empty one, or a key lies below another.
    """
    sweep = flatten(section(tree, "sweep"))
    for key, values in sweep.items():
        if not isinstance(values, list):
            raise FmbenchError(f"sweep of {key} = {shown(values)}: must be a list of values, as [1e-3, 2e-3]")
        if not values:
            raise FmbenchError(f"sweep of {key}: the list of values is empty; give one at least")
    for first, other in combinations(sweep, 2):
        if overlap(first, other):
            raise FmbenchError(f"sweep of {first} and of {other}: one lies within the other; leave one of them out")
    return sweep


def refuse_set(sweep: Sweep, assigned: Mapping[str, Any]) -> None:
    """Refuse a key that is both swept and set: which of the two was meant?

    Args:
        sweep: of the grid.
        assigned: what `--set` says.

    Raises:
        FmbenchError: there is such a key.
    """
    for key in flatten(assigned):
        for swept in sweep:
            if overlap(key, swept):
                raise FmbenchError(
                    f"--set {key}: the grid sweeps {swept}; leave one out, or choose other values with --sweep {swept}="
                )


def overlap(first: str, other: str) -> bool:
    """Whether two dotted keys are the same or one is a part of the other."""
    return f"{first}.".startswith(f"{other}.") or f"{other}.".startswith(f"{first}.")


def settings(sweep: Sweep) -> Iterable[dict[str, Any]]:
    """The product of a sweep, each a tree to lay over a configuration; the last key varies fastest."""
    return [nest(dict(zip(sweep, values, strict=True))) for values in product(*sweep.values())]
