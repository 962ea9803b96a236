"""Finds plugins, loads each on its own, and reports the broken ones by name instead of falling over.

pluggy's own entry-point loader stops at the first plugin that fails; a misspelt hook and a forgotten @hookimpl
pass it in silence. Here every plugin is loaded, checked and asked for its specs by itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from fmbench import hookspecs
from fmbench.errors import FmbenchError
from fmbench.registry import Registry
from fmbench.specs import DatasetSpec, MethodSpec, MetricSpec, NetworkSpec, Spec

GROUP = hookspecs.PROJECT
FILES_VARIABLE = "FMBENCH_PLUGINS"


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin in use: its name, where it came from and the names that it provides."""

    name: str
    origin: str
    provides: tuple[str, ...]


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin, or one of its specs, that cannot be used.

    `stage` is where it failed: "import", "register", "hooks", "call" or "name".
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
        self.loaded: list[LoadedPlugin] = []
        self.broken: list[BrokenPlugin] = []
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._homes: dict[str, tuple[type[Spec], Registry[Any]]] = {
            "fmbench_methods": (MethodSpec, self.methods),
            "fmbench_datasets": (DatasetSpec, self.datasets),
            "fmbench_networks": (NetworkSpec, self.networks),
            "fmbench_metrics": (MetricSpec, self.metrics),
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
            self._report(name, origin, "name", f"a plugin named {name!r} is already provided by {owner}")
            return
        stage = "register"
        try:
            self._manager.register(plugin, name=name)
            stage = "hooks"
            self._check_hooks(plugin)
        except Exception as error:  # noqa: BLE001 - a stranger's code; reported by name below
            self._report(name, origin, stage, describe(error))
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            return
        self._collect(plugin, name, origin)

    def register_entry_point(self, entry: metadata.EntryPoint) -> None:
        """Load one installed plugin."""
        origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
        try:
            module = entry.load()
        except Exception as error:  # noqa: BLE001 - a stranger's code; reported by name
            self._report(entry.name, origin, "import", describe(error))
        else:
            self.register(module, entry.name, origin)

    def register_file(self, path: Path) -> None:
        """Load one Python file as a plugin.

        Raises:
            FmbenchError: there is no such file.
        """
        if not path.is_file():
            raise FmbenchError(f"plugin file {str(path)!r} does not exist: check the path given to --plugin")
        try:
            module = import_file(path)
        except Exception as error:  # noqa: BLE001 - a stranger's code; reported by name
            self._report(path.stem, f"file {path.name}", "import", describe(error))
        else:
            self.register(module, path.stem, f"file {path.name}")

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
                try:
                    specs = checked(implementation.function(), kind)
                except Exception as error:  # noqa: BLE001 - a stranger's code; reported by name
                    self._report(name, origin, "call", f"{hook}: {describe(error)}")
                    continue
                names += [spec.name for spec in specs if self._add_spec(spec, name, origin)]
        if names:
            self.loaded.append(LoadedPlugin(name, origin, tuple(names)))

    def _add_spec(self, spec: Spec, name: str, origin: str) -> bool:
        registry = next((home for kind, home in self._homes.values() if type(spec) is kind), None)
        if registry is None:
            raise TypeError(f"cannot register a {type(spec).__name__}: give a method, dataset, network or metric spec")
        try:
            registry.add(spec, f"plugin {name!r} ({origin})")
        except ValueError as error:
            self._report(name, origin, "name", str(error))
            return False
        return True

    def _report(self, name: str, origin: str, stage: str, error: str) -> None:
        self.broken.append(BrokenPlugin(name, origin, stage, error))
        hint = f"{len(self.broken)} broken plugin(s): see 'fmbench list plugins'."
        for _, registry in self._homes.values():
            registry.hint = hint


def load_plugins(files: Iterable[Path] = (), environ: Mapping[str, str] | None = None) -> Plugins:
    """Load installed plugins, then the files of `FMBENCH_PLUGINS` (separated as in PATH), then `files`.

    Raises:
        FmbenchError: a named file does not exist.
    """
    plugins = Plugins()
    # The framework's own plugins first, so that nobody can take a shipped name from it.
    entries = sorted(metadata.entry_points(group=GROUP), key=lambda entry: not is_own(entry))
    for entry in entries:
        plugins.register_entry_point(entry)
    listed = (os.environ if environ is None else environ).get(FILES_VARIABLE, "")
    for path in [*(Path(part) for part in listed.split(os.pathsep) if part), *files]:
        plugins.register_file(path)
    return plugins


def is_own(entry: metadata.EntryPoint) -> bool:
    """Whether an entry point belongs to fmbench's own distribution."""
    return entry.dist is not None and entry.dist.name == GROUP


def import_file(path: Path) -> ModuleType:
    """Import a file under a module name of its own, so that "module:Class" factories in it resolve."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"fmbench_file_{path.stem.replace('-', '_')}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def checked(specs: Any, kind: type[Spec]) -> list[Spec]:
    """What a hook returned, when it is a list of the right specs."""
    if not isinstance(specs, list) or not all(type(spec) is kind for spec in specs):
        raise TypeError(f"must return a list of {kind.__name__}, not {specs!r:.80}")
    return specs


def describe(error: BaseException) -> str:
    """An exception in one line; our own errors are sentences already."""
    text = " ".join(str(error).split())
    return text if isinstance(error, FmbenchError) else f"{type(error).__name__}: {text}"
