"""The options of plugins and the sections of a configuration: values checked, defaults filled in, errors one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.specs import Option, Scalar, Spec
from fmbench.request.schema import Component
from fmbench.request.values import prepared, shown


def component(spec: Spec, given: Mapping[str, Any], prefix: str) -> Component:
    """A plugin with its options resolved."""
    return Component(name=spec.name, options=options_of(spec, given, prefix))


def given_options(spec: Spec, given: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    """The given values of a spec's options, typed and checked one by one."""
    model = validate(options_model(spec.name, tuple(spec.options.items())), given, prefix)
    options: dict[str, Scalar] = model.model_dump(exclude_unset=True)
    return options


def options_of(spec: Spec, given: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    """Every option of a spec: the given values, checked, over its defaults."""
    options = {**spec.defaults, **given_options(spec, given, prefix)}
    for key, option in spec.options.items():
        if option.above and not float(options[key]) > float(options[option.above]):
            raise FmbenchError(
                f"{prefix}.{key} = {options[key]}: must be greater than "
                f"{prefix}.{option.above} = {options[option.above]}"
            )
    return options


def recorded(options: Mapping[str, Scalar], spec: Spec, defaults: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The options of a spec that records have: all but those that only records of old lack, at their defaults."""
    return {key: value for key, value in options.items() if spec.options[key].recorded or value != defaults[key]}


def refuse_lacking(spec: Spec, chosen: Component, prefix: str) -> None:
    """Whether the options are given that must be.

    Raises:
        FmbenchError: one is not.
    """
    for key, option in spec.options.items():
        if option.required and not chosen.options[key]:
            raise FmbenchError(f"{spec.name} needs {prefix}.{key}: {option.help}; --set {prefix}.{key}=...")


@cache
def options_model(name: str, options: tuple[tuple[str, Option], ...]) -> type[BaseModel]:
    """A pydantic model of a spec's options."""
    fields: dict[str, Any] = {}
    for key, option in options:
        bounds = {bound: getattr(option, bound) for bound in ("gt", "ge", "lt", "le")}
        pattern = f"^({'|'.join(option.choices)})$" if option.choices else None
        fields[key] = (type(option.default), Field(option.default, pattern=pattern, **bounds))
    return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a configuration that must be a mapping (or absent)."""
    value = tree.get(name) or {}
    if not isinstance(value, Mapping):
        raise FmbenchError(f"{name} must be a mapping of keys to values, not {value!r}")
    return value


def validate(model: type[BaseModel], values: Mapping[str, Any], prefix: str) -> Any:
    """`model(**values)`, with the first error as one line.

    Raises:
        FmbenchError: an unknown key (with its nearest match) or a value that is not accepted.
    """
    try:
        return model.model_validate(prepared(model, dict(values)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known: Iterable[str] = model.model_fields
            raise unknown(f"key of {prefix}" if prefix else "key", key, known) from error
        name = f"{prefix}.{key}" if prefix else key
        text = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ").split(", unable to")[0]
        if first["type"] == "string_pattern_mismatch":
            text = "one of " + ", ".join(first["ctx"]["pattern"][2:-2].split("|"))
        raise FmbenchError(f"{name} = {shown(first['input'])}: must be {text}") from error
