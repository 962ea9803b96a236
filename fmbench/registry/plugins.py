"""What plugins offer: each is checked and asked for its specs by itself, and a broken one is named, never raised.

pluggy alone passes a misspelt hook and a forgotten @hookimpl in silence, and one raising hook would hide the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pluggy

from fmbench.errors import describe
from fmbench.registry import hooks
from fmbench.registry.checks import fault_of, unmet
from fmbench.registry.code import PresentCode
from fmbench.registry.guard import guarded
from fmbench.registry.names import Registry
from fmbench.registry.specs import DatasetSpec, ExtractorSpec, MethodSpec, MetricSpec, NetworkSpec, SamplerSpec, Spec


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin in use: its name, where it came from and the names that it provides."""

    name: str
    origin: str
    provides: tuple[str, ...]


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin, or one of its specs, that cannot be used.

    `stage` is where it failed: "import", "register", "hooks", "call", "name" or "spec".
    """

    name: str
    distribution: str
    stage: str
    error: str


class Plugins:
    """Everything that plugins offer, and what is wrong with those that do not work."""

    def __init__(self) -> None:
        self.methods: Registry[MethodSpec] = Registry("method")
        self.datasets: Registry[DatasetSpec] = Registry("dataset")
        self.networks: Registry[NetworkSpec] = Registry("network")
        self.metrics: Registry[MetricSpec] = Registry("metric")
        self.extractors: Registry[ExtractorSpec] = Registry("feature extractor")
        self.samplers: Registry[SamplerSpec] = Registry("sampler")
        self.code = PresentCode(self)
        self.loaded: list[LoadedPlugin] = []
        self.broken: list[BrokenPlugin] = []
        self.notes: list[str] = []  # what plugins did to the process while they were loaded
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        self._homes: dict[str, tuple[type[Spec], Registry[Any]]] = {
            "fmbench_methods": (MethodSpec, self.methods),
            "fmbench_datasets": (DatasetSpec, self.datasets),
            "fmbench_networks": (NetworkSpec, self.networks),
            "fmbench_metrics": (MetricSpec, self.metrics),
            "fmbench_extractors": (ExtractorSpec, self.extractors),
            "fmbench_samplers": (SamplerSpec, self.samplers),
        }

    def register(self, plugin: object, name: str | None = None, origin: str = "register()") -> None:
        """Add a plugin from Python: a module or object with hooks, or a bare spec.

        A plugin that does not work is not raised but listed in `broken`, as for the other two doors.
        """
        if isinstance(plugin, Spec):
            self._add_spec(plugin, plugin.name, origin)
            return
        name = name or getattr(plugin, "__name__", None) or type(plugin).__name__
        if self._manager.has_plugin(name):
            owner = next((p.origin for p in self.loaded if p.name == name), "another plugin")
            self.report(name, origin, "name", f"a plugin named {name!r} is already provided by {owner}")
            return
        stage = "register"
        try:
            self._manager.register(plugin, name=name)
            stage = "hooks"
            self._check_hooks(plugin)
        except Exception as error:  # noqa: BLE001 - a stranger's code; reported by name below
            self.report(name, origin, stage, describe(error))
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        self._collect(plugin, name, origin)

    def registries(self) -> list[Registry[Any]]:
        """The registries of all kinds of specs."""
        return [home for _, home in self._homes.values()]

    def report(self, name: str, origin: str, stage: str, error: str) -> None:
        """Note a plugin that cannot be used."""
        self.broken.append(BrokenPlugin(name, origin, stage, error))
        hint = f"{len(self.broken)} broken plugin(s): see 'fmbench list plugins'."
        for registry in self.registries():
            registry.hint = hint

    def guarded(self, name: str, origin: str, stage: str, where: str = "") -> AbstractContextManager[None]:
        """Run a plugin's code: what it raises is reported by its name, and what it alters is put back and noted."""
        return guarded(
            lambda error: self.report(name, origin, stage, where + error),
            lambda text: self.notes.append(f"plugin {name!r} ({origin}) {text}"),
        )

    def drop_misfits(self) -> None:
        """Report the methods and datasets that name what no plugin offers; asked once all are loaded."""
        while misfits := [*self._misfits()]:  # again: one may have been another's teacher
            for registry, spec, text in misfits:
                self.report(spec.name, registry.origin(spec.name), "spec", f"{registry.kind} {spec.name!r}: {text}")
                registry.remove(spec.name)

    def _misfits(self) -> Iterator[tuple[Registry[Any], Spec, str]]:
        registries: tuple[Registry[Any], ...] = (self.datasets, self.methods)
        for registry in registries:
            for spec in registry:
                for text in islice(unmet(spec, self), 1):
                    yield registry, spec, text

    def _check_hooks(self, plugin: object) -> None:
        self._manager.check_pending()  # a misspelt hook name
        called = {caller.name for caller in self._manager.get_hookcallers(plugin) or []}
        unmarked = [hook for hook in self._homes if hasattr(plugin, hook) and hook not in called]
        if unmarked:
            raise TypeError(f"{unmarked[0]} lacks the @hookimpl decorator")
        if not called:
            raise TypeError("declares no @hookimpl function; hooks: " + ", ".join(self._homes))

    def _collect(self, plugin: object, name: str, origin: str) -> None:
        names: list[str] = []
        for hook, (kind, _) in self._homes.items():
            for implementation in getattr(self._manager.hook, hook).get_hookimpls():
                if implementation.plugin is not plugin:
                    continue
                specs: list[Spec] = []
                with self.guarded(name, origin, "call", f"{hook}: "):
                    specs = checked(implementation.function(), kind)
                names += [spec.name for spec in specs if self._add_spec(spec, name, origin)]
        if names:
            self.loaded.append(LoadedPlugin(name, origin, tuple(names)))

    def _add_spec(self, spec: Spec, name: str, origin: str) -> bool:
        registry = next((home for kind, home in self._homes.values() if type(spec) is kind), None)
        if registry is None:
            kinds = ", ".join(home.kind for home in self.registries())
            raise TypeError(f"{type(spec).__name__} is not a spec of any kind: {kinds}")
        fault = fault_of(spec, registry.kind)
        if fault:
            self.report(name, origin, fault.stage, fault.text)
            return False
        try:
            registry.add(spec, f"plugin {name!r} ({origin})")
        except ValueError as error:
            self.report(name, origin, "name", str(error))
            return False
        return True


def checked(specs: Any, kind: type[Spec]) -> list[Spec]:
    """What a hook returned, when it is a list of the right specs."""
    if not isinstance(specs, list) or not all(type(spec) is kind for spec in specs):
        raise TypeError(f"must return a list of {kind.__name__}, not {specs!r:.80}")
    return specs
