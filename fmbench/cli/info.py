"""fmbench info: everything about one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fmbench.cli.listing import describe_spec
from fmbench.cli.loading import told_plugins
from fmbench.cli.options import Plugin
from fmbench.errors import unknown

if TYPE_CHECKING:
    from fmbench.registry.plugins import Plugins
    from fmbench.registry.specs import MetricSpec, Option, Spec

SECTIONS = ("train", "budget", "sampler")


def command(
    name: Annotated[
        str, typer.Argument(help="A method, dataset, network, metric, sampler or extractor; or train, budget, sampler.")
    ],
    plugin: Plugin = None,
) -> None:
    """Show what a part is, where it comes from, and its options with their ranges."""
    console = Console(highlight=False)
    if name in SECTIONS:
        console.print(section_table(name))
        return
    from fmbench.registry.specs import MetricSpec  # here, so that --help does not wait for it

    plugins = told_plugins(plugin)
    found = [(kind, spec, origin) for kind, spec, origin in everything(plugins) if spec.name == name]
    if not found:
        known = [*SECTIONS, *(spec.name for _, spec, _ in everything(plugins))]
        raise unknown("name", name, known, plugins.methods.hint)
    for kind, spec, origin in found:
        console.print(facts_table(kind, spec, origin))
        if spec.options:
            console.print(options_table(spec))
        if isinstance(spec, MetricSpec) and spec.numbers:
            console.print(numbers_table(spec))


def section_table(name: str) -> Table:
    """The keys of a fixed section of the configuration."""
    from fmbench.request import (
        budgets,  # here, so that the rest does not wait for pydantic
        schema,  # here, so that the rest does not wait for pydantic
    )

    models: dict[str, type[schema.Section]] = {
        "train": schema.Train,
        "budget": budgets.AskedBudget,
        "sampler": schema.Sampler,
    }
    table = Table(box=None, pad_edge=False)
    for head in ("key", "default", "meaning"):
        table.add_column(head)
    for key, field in models[name].model_fields.items():
        table.add_row(f"{name}.{field.title or key}", "" if field.title else str(field.default), field.description)
    return table


def everything(plugins: Plugins) -> list[tuple[str, Spec, str]]:
    """Every spec, with its kind and origin."""
    return [(home.kind, spec, home.origin(spec.name)) for home in plugins.registries() for spec in home]


def facts_table(kind: str, spec: Spec, origin: str) -> Table:
    """What it is."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(Text(kind), Text(spec.name, style="bold"))
    for key, value in describe_spec(spec, origin).items():
        facts = value if isinstance(value, dict) else {key: value}
        for label, fact in facts.items() if key not in {"name", "defaults"} else ():
            table.add_row(Text(label), Text(", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)))
    return table


def options_table(spec: Spec) -> Table:
    """Its options, under the keys that --set takes."""
    from fmbench.registry.specs import DatasetSpec, MethodSpec, NetworkSpec, SamplerSpec

    sections = {
        MethodSpec: f"options.{spec.name}",
        DatasetSpec: f"data.{spec.name}",
        NetworkSpec: "network",
        SamplerSpec: "sampler",
    }
    prefix = sections.get(type(spec), spec.name)
    table = Table(box=None, pad_edge=False)
    for head in ("option", "default", "accepts", "meaning"):
        table.add_column(head)
    for key, option in spec.options.items():
        table.add_row(f"{prefix}.{key}", str(option.default), accepts(option), option.help)
    return table


def numbers_table(spec: MetricSpec) -> Table:
    """The numbers that a metric gives; a floor is what real data reach."""
    table = Table(box=None, pad_edge=False)
    for head in ("number", "label", "unit", "better", "floor"):
        table.add_column(head)
    for number in spec.numbers:
        table.add_row(number.name, number.label, number.unit, number.better, number.floor)
    return table


def accepts(option: Option) -> str:
    """The type or choices, and the range."""
    if option.choices:
        return ", ".join(option.choices)
    if option.source:
        return "normal, or a dataset of known density"
    bounds = {">": option.gt, ">=": option.ge, "<": option.lt, "<=": option.le}
    limits = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None]
    limits += [f"> {option.above}"] if option.above else []
    return " ".join([type(option.default).__name__, *limits])
