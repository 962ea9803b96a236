"""The shape of the house: folders in the order in which data meets them, small files, no circles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fmbench

HOME = Path(fmbench.__file__).parent
ROOT = Path(__file__).parents[1]
ORDER = (
    "registry", "request", "store", "data", "paths", "solvers", "networks", "methods", "metrics", "training", "run",
    "engine", "scheduling", "report", "testing", "cli",
)  # fmt: skip
"""A folder imports only those before it."""
MODULES = {
    ".".join((path.parent if path.name == "__init__.py" else path.with_suffix("")).relative_to(HOME.parent).parts): path
    for path in HOME.rglob("*.py")
}


def imports(path, *, always=False):
    """The modules of fmbench that a file imports; `always`: whenever it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = unguarded(tree.body) if always else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fmbench":
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)


def unguarded(body):
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from unguarded([child for child in getattr(node, "body", []) if isinstance(node, ast.If | ast.Try)])


def folder(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (HOME / parts[1]).is_dir() else ""


def test_the_folders_are_those_of_the_order():
    assert {path.name for path in HOME.iterdir() if (path / "__init__.py").exists()} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_folder_imports_only_what_comes_before_it(name):
    allowed = {"", *ORDER[: ORDER.index(name) + 1]}
    for module, path in MODULES.items():
        if folder(module) == name:
            late = [other for other in imports(path) if folder(other) not in allowed]
            assert late == [], f"{module} imports {late}"


def test_no_import_circle():
    graph = {module: set(imports(path, always=True)) - {module} for module, path in MODULES.items()}
    while leaves := [module for module, needs in graph.items() if not needs & graph.keys()]:
        for leaf in leaves:
            del graph[leaf]
    assert graph == {}


def test_few_names_lie_beside_the_folders():
    beside = [path.name for path in HOME.iterdir() if path.is_file()]
    assert len(beside) <= 12, beside


@pytest.mark.parametrize("top", ["fmbench", "plugins", "tests", "benchmarks"])
def test_files_are_short(top):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / top).rglob("*.py")}
    assert len(lengths) > 5
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > 300} == {}


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by their names alone: two of one name end its run with an error."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()
