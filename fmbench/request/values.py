"""Values as they are written, and what they are once it is known what they are for.

YAML guesses the type of a plain word: 010 is 8 to it, 1:30 is 90, off is False and 1e3 is text. Here a plain word is
text until the option that it is for says its type.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from fmbench.errors import FmbenchError


class PlainLoader(yaml.SafeLoader):
    """YAML whose plain words are text; only null, and the merge key, mean what they mean."""


KEPT = {"tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"}
PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """What a YAML text says, its plain words as text.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, PlainLoader)


def prepared(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Values for a model's fields: where a whole number is wanted, 1e3 is one."""
    fields = model.model_fields
    return {
        key: whole(value) if key in fields and wants_integer(fields[key].annotation) else value
        for key, value in values.items()
    }


def wants_integer(annotation: Any) -> bool:
    """Whether a field is an integer, or one or nothing."""
    return annotation is int or int in get_args(annotation)


def whole(value: Any) -> Any:
    """Text in the notation of a float as an integer where it is one: "1e3" is 1000; "1.5" stays as it is."""
    if not isinstance(value, str) or not re.search("[eE.]", value):
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return int(number) if number.is_finite() and number == number.to_integral_value() else value


def shown(value: Any) -> str:
    """A value as an error shows it: numbers as they are written, other text in quotes."""
    plain = isinstance(value, str) and re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", value)
    return value if plain else repr(value)


def names_of(value: Any) -> Any:
    """One name, or several with commas, as a list; what is a list already stays one."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def seeds_of(value: Any, key: str = "seeds") -> Any:
    """Seeds: "3" is [0, 1, 2], "0,2" is [0, 2], "7," is [7]; what is a list already stays one.

    Args:
        value: as it is written.
        key: that it was given for.

    Raises:
        FmbenchError: it is neither a number of seeds nor a list of them.
    """
    if isinstance(value, list | tuple | range):
        return value
    text = str(value)
    try:
        numbers = [int(part) for part in names_of(text)]
    except ValueError:
        numbers = []
    counted = "," not in text
    if not numbers or min(numbers) < (1 if counted else 0):
        raise FmbenchError(f"{key} {text!r}: give a number of seeds (3) or a list of them (0,1,2)")
    return list(range(numbers[0])) if counted else numbers
