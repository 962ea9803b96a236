"""What a piece of Python says and which names it uses, read off its syntax tree; nothing is imported or run.

Comments, docstrings, the annotations of functions, line numbers and the modules that names are imported from are left
out: a change of those changes no number.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Chain = tuple[str, ...]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LEFT_OUT = {
    "ctx", "kind", "type_comment", "type_ignores",  # follow from the rest, or mean nothing to Python
    "returns",
}  # fmt: skip


class Target(NamedTuple):
    """What a name is imported from: an attribute of a module, or a module itself where there is none."""

    module: str
    attribute: str


def spelt(node: object) -> str:
    """A node in one spelling, the same for every version of Python that parses it alike."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return f"import({', '.join(alias.asname or alias.name for alias in node.names)})"
    if isinstance(node, ast.AST):
        left_out = {*LEFT_OUT, "annotation"} if isinstance(node, ast.arg) else LEFT_OUT
        parts = [
            f"{field}={spelt(value)}"
            for field, value in ast.iter_fields(node)
            if field not in left_out and value is not None and value != []
        ]
        return f"{type(node).__name__}({','.join(parts)})"
    if isinstance(node, list):
        return f"[{','.join(spelt(part) for part in node if not is_text(part))}]"
    return repr(node)


def is_text(node: object) -> bool:
    """Whether a statement is a bare string, as docstrings are."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def imported(node: ast.AST, package: str) -> Iterator[tuple[str, Target]]:
    """The names that an import statement binds, with what they stand for; "*" for all of a module's.

    Args:
        node: any node; others than imports bind none.
        package: that relative imports start from.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, Target(alias.name, "")) if alias.asname else (top, Target(top, ""))
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        base = parts[: len(parts) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, Target(module, alias.name)


def bound(body: Sequence[ast.AST] | ast.AST) -> Iterator[str]:
    """The names that statements bind in their own scope, imports aside."""
    for node in body if isinstance(body, Sequence) else [body]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, (*COMPREHENSIONS, ast.Lambda)):
            continue
        elif isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                yield node.id
        else:
            name = getattr(node, "name", None)  # of an exception or a pattern
            if isinstance(name, str) and not isinstance(node, ast.alias):
                yield name
            yield from bound(list(ast.iter_child_nodes(node)))


def arguments(node: ast.arguments) -> list[ast.arg]:
    """All parameters of a function."""
    extra = [part for part in (node.vararg, node.kwarg) if part]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *extra]


class Uses(ast.NodeVisitor):
    """The names of its module that a node uses, each with the attributes asked of it, as ("paths", "CondOT").

    A function's own names hide those of the module; annotations use nothing.
    """

    def __init__(self) -> None:
        self.chains: set[Chain] = set()
        self._local: list[set[str]] = []

    def visit(self, node: ast.AST) -> None:
        """Note what a node uses."""
        if isinstance(node, ast.Attribute | ast.Name):
            self._chain(node)
        elif isinstance(node, FUNCTIONS):
            self._function(node)
        elif isinstance(node, COMPREHENSIONS):
            self._within({name for part in node.generators for name in bound(part.target)}, [node])
        elif isinstance(node, ast.AnnAssign):
            self._all([node.target, *([node.value] if node.value else [])])
        else:
            self.generic_visit(node)

    def _all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _within(self, names: set[str], nodes: Sequence[ast.AST]) -> None:
        """Visit nodes in a scope that has these names; a comprehension itself by its parts."""
        self._local.append(names)
        for node in nodes:
            if isinstance(node, COMPREHENSIONS):
                self.generic_visit(node)
            else:
                self.visit(node)
        self._local.pop()

    def _chain(self, node: ast.Attribute | ast.Name) -> None:
        attributes: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            attributes.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.visit(inner)
        elif not any(inner.id in names for names in self._local):
            self.chains.add((inner.id, *reversed(attributes)))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        defaults = [*node.args.defaults, *(part for part in node.args.kw_defaults if part)]
        self._all([*getattr(node, "decorator_list", []), *defaults])
        body = node.body if isinstance(node.body, list) else [node.body]
        local = {part.arg for part in arguments(node.args)} | set(bound(body))
        shared = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
        self._within(local - shared, body)
