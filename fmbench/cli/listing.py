"""fmbench list: what there is, and which plugins are broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import Plugin
from fmbench.errors import FmbenchError, unknown

if TYPE_CHECKING:
    from fmbench.registry.names import Registry
    from fmbench.registry.plugins import Plugins
    from fmbench.registry.specs import Spec

KINDS = ("methods", "datasets", "networks", "metrics", "extractors", "samplers", "plugins")


def command(
    kind: Annotated[str, typer.Argument(metavar="|".join(KINDS), help="What to list.")],
    form: Annotated[str, typer.Option("--format", help="rich or json.")] = "rich",
    plugin: Plugin = None,
) -> None:
    """List methods, datasets, networks, metrics, extractors, samplers or plugins."""
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if form not in {"rich", "json"}:
        raise FmbenchError(f"--format {form!r}: choose rich or json")
    entries = list_entries(kind, told_plugins(plugin))
    if form == "json":
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    Console(highlight=False).print(as_table(kind, entries))


def list_entries(kind: str, plugins: Plugins) -> list[dict[str, Any]]:
    """One object an entry, each with at least its name."""
    if kind == "plugins":
        loaded = [
            {"name": plugin.name, "origin": plugin.origin, "state": "loaded", "provides": list(plugin.provides)}
            for plugin in plugins.loaded
        ]
        broken = [
            {
                "name": plugin.name,
                "origin": plugin.distribution,
                "state": "broken",
                "stage": plugin.stage,
                "error": plugin.error,
            }
            for plugin in plugins.broken
        ]
        return loaded + broken
    registry: Registry[Any] = getattr(plugins, kind)
    return [describe_spec(spec, registry.origin(spec.name)) for spec in registry]


def describe_spec(spec: Spec, origin: str) -> dict[str, Any]:
    """A spec's facts."""
    from fmbench.registry.specs import DatasetSpec, ExtractorSpec, MethodSpec, NetworkSpec, SamplerSpec

    facts: dict[str, Any] = {"name": spec.name, "summary": spec.summary}
    if isinstance(spec, MethodSpec):
        facts |= {
            "family": spec.family,
            "paper": spec.paper,
            "capabilities": {
                "provides": list(spec.provides),
                "likelihoods": list(spec.likelihoods),
                "native_sampler": spec.native_sampler,
                "headline_sampler": spec.headline_sampler,
                "kinds": list(spec.kinds),
                "conditional": spec.conditional,
                "teacher": spec.teacher,
                "budget": dict(spec.budget),
            },
        }
    if isinstance(spec, DatasetSpec):
        facts |= {
            "kind": spec.kind,
            "features": spec.features,
            "licence": spec.licence,
            "budget": dict(spec.budget),
        }
    if isinstance(spec, NetworkSpec):
        facts |= {"kinds": list(spec.kinds), "conditional": spec.conditional, "two_times": spec.two_times}
    if isinstance(spec, SamplerSpec):
        facts |= {"needs": spec.needs, "steps": spec.steps}
    if isinstance(spec, ExtractorSpec):
        facts |= {"dimension": spec.dimension, "sha256": spec.sha256}
    return {**facts, "defaults": spec.defaults, "factory": spec.factory, "origin": origin}


def as_table(kind: str, entries: list[dict[str, Any]]) -> Table:
    """For a terminal."""
    shown = {
        "methods": ("name", "family", "paper", "summary"),
        "datasets": ("name", "kind", "summary", "licence"),
        "samplers": ("name", "needs", "steps", "summary"),
        "plugins": ("name", "origin", "state", "about"),
    }.get(kind, ("name", "summary"))
    table = Table(box=None, pad_edge=False)
    for head in shown:
        table.add_column(head, style="bold" if head == "name" else None, no_wrap=head == "name", overflow="fold")
    for entry in entries:
        broken = entry.get("state") == "broken"
        about = f"{entry['stage']}: {entry['error']}" if broken else ", ".join(entry.get("provides", []))
        cells = {**entry, "about": about}
        table.add_row(*(Text(str(cells[head]), style="red" if broken else "") for head in shown))
    return table
