"""Which code a spec's factory runs: a digest of what it uses of its own package and of fmbench, and of nothing else.

It starts at the factory and goes where names lead: base classes, helper functions, constants, imported modules. So
another method in the same file, a comment, a docstring, or a file that moved changes no digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.registry.modules import Definition, Module, find, read
from fmbench.registry.syntax import Chain, Target

if TYPE_CHECKING:
    from fmbench.registry.plugins import Plugins

OURS = ("fmbench", "fmbench_plugins")
SAYING = frozenset({"registry", "request", "store", "errors", "progress", "provenance", "execution", "durations"})
"""Parts of fmbench that say what is asked and what happened: what of it decides a number stands in the request."""
BESIDE = {"feature extractor": "fmbench.metrics.features:Features"}
"""By kind: what fmbench makes of all parts of the kind, which counts as their code."""
DIGITS = 16
INSTALLED = ("site-packages", "dist-packages")

Modules = dict[str, Module | None]


class Walk:
    """All that is reached from a factory.

    Own code is fmbench's and that of the factory's package; of a file that stands alone, that of the files beside it.

    Args:
        home: the factory's module.
        modules: those read so far, by name.
    """

    def __init__(self, home: str, modules: Modules) -> None:
        path = find(home) if "." not in home else None
        alone = path is not None and path.name != "__init__.py" and path.parent.name not in INSTALLED
        self._folder = path.parent if path and alone else None
        self._tops = dict.fromkeys([home.partition(".")[0], *OURS], True)
        self._modules = modules
        self._pending: list[tuple[Module, Definition]] = []
        self._seen: set[tuple[Target, Chain]] = set()

    def enter(self, target: Target, rest: Chain = ()) -> None:
        """Go to what a target stands for, `rest` being the attributes asked of it; strangers' code is passed over."""
        if not self._walked(target.module) or (target, rest[:1]) in self._seen:
            return
        self._seen.add((target, rest[:1]))
        name, attribute = target
        module, inner = self._module(name), f"{name}.{attribute}"
        if not attribute:
            self._enter_module(name, rest)
        elif (
            module is not None and module.imports.get(attribute) != target and self._enter_name(module, attribute, rest)
        ):
            return
        elif self._module(inner) is not None:
            self._enter_module(inner, rest)
        elif module is not None:
            self._enter_all(module)  # it makes its names as it runs

    def run(self) -> list[str]:
        """The digests of all definitions that are reached, in order."""
        found: dict[int, str] = {}
        while self._pending:
            module, definition = self._pending.pop()
            if id(definition) not in found:
                found[id(definition)] = self._digest(module, definition)
        return sorted(found.values())

    def _digest(self, module: Module, definition: Definition) -> str:
        """Digest of a definition with what its names stand for; what those are is queued."""
        links = {definition.text}
        for root, *attributes in definition.uses:
            rest = tuple(attributes)
            target = definition.imports.get(root)
            if target is None:
                self._enter_name(module, root, rest)
                target = module.imports.get(root)
            else:
                self.enter(target, rest)
            if target is not None:
                home = "" if self._own(target.module) else target.module  # our own files may move
                links.add(f"{root}={home}:{target.attribute}")
        return hashlib.sha256(" ".join(sorted(links)).encode()).hexdigest()

    def _enter_module(self, name: str, rest: Chain) -> None:
        module = self._module(name)
        if rest:
            self.enter(Target(name, rest[0]), rest[1:])
        elif module is not None and self._walked(name):
            self._enter_all(module)

    def _enter_all(self, module: Module) -> None:
        for name in module.everything():
            self._enter_name(module, name, ())

    def _enter_name(self, module: Module, name: str, rest: Chain) -> bool:
        """Go to a name of a module; False if it has none such."""
        defined, target = module.definitions.get(name, []), module.imports.get(name)
        self._pending += [(module, definition) for definition in (*defined, *(module.effects if defined else ()))]
        if target is not None:
            self.enter(target, rest)
        if defined or target:
            return True
        stars = [self._module(star) for star in module.stars if self._walked(star)]
        return any(star is not None and self._enter_name(star, name, rest) for star in stars)

    def _own(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top not in self._tops:
            self._tops[top] = self._folder is not None and lies_in(find(top), self._folder)
        return self._tops[top]

    def _walked(self, module: str) -> bool:
        top, _, inner = module.partition(".")
        return self._own(module) and not (top == "fmbench" and inner.partition(".")[0] in SAYING)

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            path = find(name)
            self._modules[name] = None if path is None else read(path, name)
        return self._modules[name]


def lies_in(path: Path | None, folder: Path) -> bool:
    """Whether a module's file, or its package's folder, stands right in a folder."""
    return path is not None and folder == (path.parent.parent if path.name == "__init__.py" else path.parent)


def digest(factories: Iterable[str], modules: Modules | None = None) -> str | None:
    """Digest of the code that factories "module:Class" run, which need not be imported; None where it has no source.

    Args:
        factories: of which the first says whose code counts as its own.
        modules: to keep what was read for the next digest.
    """
    targets = [Target(module, name) for module, _, name in (factory.partition(":") for factory in factories)]
    walk = Walk(targets[0].module, {} if modules is None else modules)
    for target in targets:
        walk.enter(target)
    found = walk.run()
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:DIGITS] if found else None


class PresentCode:
    """The code of all that plugins offer, by "method fm-ot" and the like, as it is when first asked for.

    Args:
        plugins: whose factories they are.
    """

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._modules: Modules = {}
        self._digests: dict[str, str | None] = {}

    def read(self) -> None:
        """Ask for all of it, so that a later edit of a file changes nothing that is imported already."""
        self.of(f"{registry.kind} {spec.name}" for registry in self._plugins.registries() for spec in registry)

    def of(self, titles: Iterable[str]) -> dict[str, str]:
        """The digests of parts; those are left out of which there is no source."""
        found = {title: self._digest(title) for title in titles}
        return {title: digest for title, digest in found.items() if digest is not None}

    def changed(self, recorded: Mapping[str, str]) -> list[str]:
        """The parts of which there is other code now; nothing can be said of one that no plugin offers."""
        now = self.of(recorded)
        return [title for title, digest in recorded.items() if now.get(title, digest) != digest]

    def factory(self, title: str) -> str | None:
        """The factory of a part, or None where no plugin offers it."""
        for registry in self._plugins.registries():
            name = title.removeprefix(f"{registry.kind} ")
            if name != title and name in registry:
                return str(registry.get(name).factory)
        return None

    def _digest(self, title: str) -> str | None:
        if title not in self._digests:
            factory = self.factory(title)
            if factory is None:
                return None
            beside = [other for kind, other in BESIDE.items() if title.startswith(f"{kind} ")]
            self._digests[title] = digest([factory, *beside], self._modules)
        return self._digests[title]
