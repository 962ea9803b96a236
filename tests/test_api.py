from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fmbench
from fmbench import api


def test_every_public_name_resolves():
    for name in api.__all__:
        assert getattr(api, name) is not None
    for name in fmbench.__all__:
        assert getattr(fmbench, name) is not None


def test_dir_shows_the_names_before_any_is_used():
    shown = "print(*dir(fmbench)); print(*dir(fmbench.api)); print('torch' in sys.modules)"
    code = f"import fmbench, fmbench.api, sys; {shown}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, public, torch = done.stdout.splitlines()
    assert names.split() == ["Outcome", "__version__", "execute", "frame", "load_plugins", "plan"]
    assert public.split() == api.__all__
    assert {"FmbenchError", "Unavailable", "DivergedError", "SolverError", "MethodSpec", "paths"} <= set(api.__all__)
    assert torch == "False"


@pytest.mark.parametrize("module", [api, fmbench])
def test_each_name_is_listed_once(module):
    source = Path(module.__file__).read_text(encoding="utf-8")
    for name in set(module.__all__) - {"__version__"}:
        assert len(re.findall(rf"\bas {name}$", source, re.MULTILINE)) == 1
        assert f'"{name}"' not in source


def test_absent_names_are_attribute_errors():
    for module in (api, fmbench):
        with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
            module.Nonsense  # noqa: B018


def test_shipped_methods_use_public_names_alone():
    import ast

    import fmbench_plugins

    for path in Path(fmbench_plugins.__path__[0]).rglob("*.py"):
        imported = [
            node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fmbench")
        ]
        assert set(imported) <= {"fmbench.api"}, path.name


def test_the_framework_names_no_method():
    """fmbench/ knows methods by their specs alone; its only mention of names is in help texts."""
    from fmbench.registry.discovery import load_plugins

    code = "\n".join(
        path.read_text() for path in Path(fmbench.__file__).parent.rglob("*.py") if "cli" not in path.parts
    )
    body = "\n".join(line for line in code.splitlines() if not re.search(r"methods=\[|interpolation=|mode=", line))
    for spec in load_plugins(environ={}).methods:
        assert f'"{spec.name}"' not in body


def test_python_users_get_a_frame(tmp_path):
    from rich.console import Console

    from fmbench.api import MethodSpec
    from tests.helpers import TINY

    plugins = fmbench.load_plugins()
    spec = plugins.methods.get("fm-ot")
    plugins.register(MethodSpec("mine", spec.factory, options=spec.options))
    runs = fmbench.plan(plugins, methods=["mine"], assignments=TINY)
    outcome = fmbench.execute(runs, plugins, results=tmp_path, console=Console(quiet=True))
    assert outcome.complete
    assert fmbench.frame(outcome.rows)["method"].tolist() == ["mine"]
