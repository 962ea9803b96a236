"""Names of a module that are imported when they are first used, so that importing the module imports no torch.

The names are those that the module imports under `if TYPE_CHECKING:`, each written once, as type checkers ask for it:

    from fmbench.lazy import attach

    if TYPE_CHECKING:
        from fmbench.methods.base import Method as Method

    __getattr__, __dir__, __all__ = attach(__name__, __file__)
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def attach(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a module.

    Args:
        module: its name.
        file: its source, of which `from home import name as name` under `if TYPE_CHECKING:` is read.
    """
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    homes = {
        name.asname: (line.module, name.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for line in block.body
        if isinstance(line, ast.ImportFrom) and line.module
        for name in line.names
        if name.asname
    }
    public = [name for name in vars(sys.modules[module]) if name in eager(tree)]
    names = sorted({*homes, *public})

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, attribute = homes[name]
        found = importlib.import_module(home)
        if not hasattr(found, attribute):  # a module of the package
            return importlib.import_module(f"{home}.{attribute}")
        return getattr(found, attribute)

    return get, lambda: names, names


def eager(tree: ast.Module) -> set[str]:
    """The names that a module offers at once: `__version__`, and what it imports as `name as name`."""
    imported = {
        name.asname for line in tree.body if isinstance(line, ast.ImportFrom) for name in line.names if name.asname
    }
    return {*imported, "__version__"}
