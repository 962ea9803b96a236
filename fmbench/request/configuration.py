"""A configuration as it is asked for: every key known, every value of the type of what it is for.

Each section is validated here, once for each combination that a sweep makes, and `resolution` fills in the defaults.
Two wait for it, which knows what they are for: the options of the network, which a dataset may choose, and those of a
method's own sampler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, NonNegativeInt, field_validator

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.names import Registry
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import DatasetSpec, MethodSpec
from fmbench.request import budgets, sweeps
from fmbench.request.budgets import AskedBudget
from fmbench.request.files import merge, nest
from fmbench.request.options import given_options, section, validate
from fmbench.request.schema import Sampler, Section, Train
from fmbench.request.values import names_of, seeds_of

SECTIONS = ("train", "budget", "sampler", "network", "options", "data")
Keys = Mapping[str, Any]


class Scope(Section):
    """What a grid spans."""

    methods: tuple[str, ...] = Field(min_length=1)
    dataset: tuple[str, ...] = Field(default=("digits",), min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    metrics: tuple[str, ...] | None = None

    @field_validator("methods", "dataset", "metrics", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """One name, or several with commas, as a list."""
        return names_of(value)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        """How many seeds, or which."""
        return seeds_of(value)


@dataclass(frozen=True)
class Settings:
    """The sections of a configuration: what they name, typed; what they do not name has its default.

    Args:
        train: of the optimiser.
        budget: when training ends, where it is not after train.steps.
        sampler: how samples are drawn; the sampler's own options still as they are written.
        network: its name and options, as they are written.
        options: of methods, by name.
        data: the options of datasets, by name.
        metrics: the options of metrics, by name.
    """

    train: Keys = field(default_factory=dict)
    budget: AskedBudget | None = None
    sampler: Keys = field(default_factory=dict)
    network: Keys = field(default_factory=dict)
    options: Mapping[str, Keys] = field(default_factory=dict)
    data: Mapping[str, Keys] = field(default_factory=dict)
    metrics: Mapping[str, Keys] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """A whole configuration.

    Args:
        scope: what the grid spans.
        variants: the settings for each combination of swept values; one where nothing is swept.
    """

    scope: Scope
    variants: tuple[Settings, ...]


def configuration(tree: Keys, plugins: Plugins) -> Configuration:
    """A configuration of the tree that files, `--set` and the command line make.

    Raises:
        FmbenchError: an unknown key or name, a value that is not accepted, or what is swept is a list by itself.
    """
    spanned = {key: tree[key] for key in Scope.model_fields if key in tree}
    sections = {key: value for key, value in tree.items() if key not in spanned}
    swept = sweeps.of(sections)
    check_keys([key for key in sections if key != "sweep"], swept, plugins)
    scope: Scope = validate(Scope, spanned, "")
    trees = [merge(sections, setting) for setting in sweeps.settings(swept)]
    return Configuration(scope, tuple(settings(variant, plugins) for variant in trees))


def of_task(names: Any, task: str, plugins: Plugins) -> list[str]:
    """The datasets that ask for a task on others: NAME-TASK for each.

    Raises:
        FmbenchError: a dataset has no such task.
    """
    wanted = [f"{name}-{task}" for name in names_of(names)]
    known = [spec.name for spec in plugins.datasets if spec.name.endswith(f"-{task}")]
    for name in wanted:
        if name not in known:
            some = ", ".join(one.removesuffix(f"-{task}") for one in known) or "no dataset"
            raise FmbenchError(
                f"--task {task}: {name.removesuffix(f'-{task}')} has no such task; it is there for {some}"
            )
    return wanted


def settings(tree: Keys, plugins: Plugins) -> Settings:
    """The sections of one combination of values.

    Raises:
        FmbenchError: as `configuration`.
    """
    train = section(tree, "train")
    return Settings(
        train=given(validate(Train, train, "train"), train),
        budget=budgets.asked_budget(section(tree, "budget"), train),
        sampler=given(validate(Sampler, {"name": "", **section(tree, "sampler")}, "sampler"), section(tree, "sampler")),
        network=section(tree, "network"),
        options=of_each(section(tree, "options"), plugins.methods, "options."),
        data=of_each(section(tree, "data"), plugins.datasets, "data."),
        metrics=of_each({spec.name: section(tree, spec.name) for spec in plugins.metrics}, plugins.metrics, ""),
    )


def check_brought(spec: MethodSpec | DatasetSpec, kind: str, plugins: Plugins) -> None:
    """Whether the defaults that a method or a dataset brings are values that are accepted.

    Raises:
        FmbenchError: one is not.
    """
    tree = nest(spec.budget)
    try:
        check_keys(tree, (), plugins)
        settings(tree, plugins)
    except FmbenchError as error:
        raise FmbenchError(f"{kind} {spec.name!r} brings a default that cannot be: {error}") from error


def given(validated: Section, asked: Keys) -> dict[str, Any]:
    """The typed values of the keys that were asked for, a sampler's own options together."""
    return {key: getattr(validated, key) for key in validated.model_fields_set if key in asked or key == "options"}


def of_each(sections: Keys, registry: Registry[Any], prefix: str) -> dict[str, dict[str, Any]]:
    """The typed options of each plugin that is named.

    Raises:
        FmbenchError: an unknown name or key, or a value that is not accepted.
    """
    return {name: given_options(registry.get(name), section(sections, name), f"{prefix}{name}") for name in sections}


def check_keys(keys: Iterable[str], swept: Iterable[str], plugins: Plugins) -> None:
    """Whether the sections of a configuration are known, those that it sweeps too.

    Raises:
        FmbenchError: one is not, or what is swept is a list by itself.
    """
    spanned = set(Scope.model_fields)
    known = {*SECTIONS, *(spec.name for spec in plugins.metrics)}
    for key in keys:
        if key not in known:
            raise unknown("key", key, {*known, *spanned, "extends", "sweep"})
    for key in swept:
        first = key.partition(".")[0]
        if first in spanned:
            raise FmbenchError(f"sweep of {key}: {first} takes a list by itself; give it there, or as --{first}")
        if first not in known:
            raise unknown("key to sweep", key, known)
