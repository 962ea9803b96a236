"""Finds plugins: installed ones by entry point, files by FMBENCH_PLUGINS and --plugin. Each is loaded on its own.

pluggy's own entry-point loader stops at the first plugin that fails to import and drops all that come after it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType

from fmbench.errors import FmbenchError
from fmbench.registry.hooks import PROJECT
from fmbench.registry.plugins import Plugins

FILES_VARIABLE = "FMBENCH_PLUGINS"
DISTRIBUTION = "flow-matching-bench"  # whose plugins are ours


def load_plugins(files: Iterable[Path] = (), environ: Mapping[str, str] | None = None) -> Plugins:
    """Load installed plugins, then the files of `FMBENCH_PLUGINS` (separated as in PATH), then `files`.

    Raises:
        FmbenchError: a named file does not exist.
    """
    plugins = Plugins()
    # The framework's own plugins first, so that nobody can take a shipped name from it.
    for entry in sorted(metadata.entry_points(group=PROJECT), key=lambda entry: not is_own(entry)):
        load_entry_point(plugins, entry)
    listed = (os.environ if environ is None else environ).get(FILES_VARIABLE, "")
    for path in [*(Path(part) for part in listed.split(os.pathsep) if part), *files]:
        load_file(plugins, path)
    plugins.drop_misfits()
    return plugins


def load_entry_point(plugins: Plugins, entry: metadata.EntryPoint) -> None:
    """Load one installed plugin."""
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
    module = None
    with plugins.guarded(entry.name, origin, "import"):
        module = entry.load()
    if module is not None:
        plugins.register(module, entry.name, origin)


def load_file(plugins: Plugins, path: Path) -> None:
    """Load one Python file as a plugin.

    Raises:
        FmbenchError: there is no such file.
    """
    if not path.is_file():
        raise FmbenchError(f"plugin file {str(path)!r} does not exist: check the path given to --plugin")
    module = None
    with plugins.guarded(path.stem, f"file {path.name}", "import"):
        module = import_file(path)
    if module is not None:
        plugins.register(module, path.stem, f"file {path.name}")


def is_own(entry: metadata.EntryPoint) -> bool:
    """Whether an entry point belongs to fmbench's own distribution."""
    return entry.dist is not None and entry.dist.name == DISTRIBUTION


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
