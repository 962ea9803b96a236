"""The top level of a Python file: what it defines and what it imports, without importing it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path

from fmbench.registry.syntax import Chain, Target, Uses, bound, imported, is_text, spelt

FILES = 4096  # whose syntax trees are kept
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Definition:
    """A statement of a module's top level: a class, a function, a constant.

    Args:
        node: its syntax tree.
        package: that its relative imports start from.
    """

    def __init__(self, node: ast.stmt, package: str) -> None:
        self.node, self.package = node, package

    @cached_property
    def text(self) -> str:
        """Digest of what it says."""
        return hashlib.sha256(spelt(self.node).encode()).hexdigest()

    @cached_property
    def uses(self) -> tuple[Chain, ...]:
        """The names of its module that it uses, each with the attributes asked of it."""
        visitor = Uses()
        visitor.visit(self.node)
        return tuple(sorted(visitor.chains))

    @cached_property
    def imports(self) -> dict[str, Target]:
        """What it imports itself."""
        return {name: target for node in ast.walk(self.node) for name, target in imported(node, self.package)}


class Module:
    """A file's top level.

    Args:
        path: of the file.
        name: that it is imported by.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name, self.path = name, path
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.definitions: dict[str, list[Definition]] = defaultdict(list)
        self.imports: dict[str, Target] = {}
        self.stars: list[str] = []
        self.effects: list[Definition] = []
        """Statements that bind no name, as a call: they are run whatever else is used."""
        self._read(ast.parse(path.read_bytes(), str(path)).body)

    def everything(self) -> Iterable[str]:
        """All names of its top level."""
        return {*self.definitions, *self.imports}

    def _read(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            test = ast.unparse(node.test) if isinstance(node, ast.If) else ""
            if isinstance(node, ast.If) and test.endswith("TYPE_CHECKING"):
                self._read(node.body)  # names that are imported when they are first used
            elif not is_text(node) and not test.startswith("__name__ =="):
                self._import(node)
                self._define(node)

    def _import(self, node: ast.stmt) -> None:
        for part in ast.walk(node) if not isinstance(node, SCOPES) else ():
            for name, target in imported(part, self.package):
                if name == "*":
                    self.stars.append(target.module)
                else:
                    self.imports[name] = target

    def _define(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return
        definition = Definition(node, self.package)
        names = {*bound([node]), *altered(node)}
        for name in names:
            self.definitions[name].append(definition)
        if not names:
            self.effects.append(definition)


def altered(node: ast.stmt) -> Iterable[str]:
    """The names whose attributes or items a top-level assignment sets, as in `Mine.scale = 2`."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name):
            yield target.id


def find(name: str) -> Path | None:
    """The source file of a module, if it has one; its package is not imported."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # __main__ has no spec
        spec = None
    if spec is None:
        file = getattr(sys.modules.get(top), "__file__", None)
        return Path(file) if file and not inner else None
    if not inner:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        base = Path(folder, *inner)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None


def read(path: Path, name: str) -> Module | None:
    """The module that a file holds, or None where it cannot be read as Python."""
    try:
        stat = path.stat()
        return _parsed(path, name, stat.st_mtime_ns, stat.st_size)
    except (OSError, SyntaxError, ValueError):
        return None


@lru_cache(FILES)
def _parsed(path: Path, name: str, *stamp: int) -> Module:
    """Read once as long as it is the same file."""
    del stamp
    return Module(path, name)
