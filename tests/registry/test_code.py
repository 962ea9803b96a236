"""The digest of the code that a factory runs: what changes it, and what does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

from fmbench.api import MethodSpec, NetworkSpec
from fmbench.registry.code import digest
from fmbench.registry.discovery import load_plugins

PACKAGE = {
    "__init__.py": "",
    "method.py": """
        '''Mine.'''
        from __future__ import annotations
        from typing import TYPE_CHECKING
        import math
        from torch.nn.functional import silu as act
        from .base import Base
        from . import tools
        from lab.constants import SCALE, UNUSED

        if TYPE_CHECKING:
            from lab.types import Batch

        class Mine(Base):
            '''The method.'''

            rate = SCALE
            '''Of descent.'''

            def loss(self, batch: Batch) -> float:
                '''A scalar.'''
                from lab.late import finish
                other = [tools for tools in batch]  # a name of its own
                return finish(tools.deep.square(batch) * math.pi, act)

        class Other(Base):
            def loss(self, batch):
                return 3

        setattr(Mine, "extra", 1)
        """,
    "base.py": """
        class Base:
            def sample(self, tools):
                return helper(self.n, tools.unused)

        def helper(n, tools):
            return n + 1

        def unrelated(n):
            return n + 2
        """,
    "tools/__init__.py": "from lab.tools import deep\nfrom lab.tools.deep import unused\n",
    "tools/deep.py": "def square(x):\n    return x * x\n\ndef unused(x):\n    return x\n",
    "constants.py": "SCALE = 1.5\nUNUSED = 2\n",
    "late.py": "import lab.last\n\ndef finish(x, act):\n    return lab.last.end(x)\n",
    "last.py": "try:\n    from math import tau\nexcept ImportError:\n    tau = 6\n\ndef end(x):\n    return x + tau\n",
    "types.py": "class Batch:\n    pass\n",
}


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A package "lab", and a function that edits one of its files and gives the method's digest."""
    home = tmp_path / "lab"
    for name, text in PACKAGE.items():
        (home / name).parent.mkdir(exist_ok=True, parents=True)
        (home / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path)

    def edit(name=None, old="", new="", factory="lab.method:Mine"):
        if name:
            text = (home / name).read_text()
            assert old in text
            (home / name).write_text(text.replace(old, new))
        return digest([factory])

    edit.home = home
    return edit


class TestWhatChangesIt:
    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("method.py", "rate = SCALE", "rate = 2 * SCALE"),
            ("method.py", "import silu as act", "import gelu as act"),
            ("method.py", '"extra", 1', '"extra", 2'),
            ("base.py", "n + 1", "n + 3"),
            ("base.py", "self.n, tools", "self.m, tools"),
            ("tools/deep.py", "x * x", "x * x * x"),
            ("constants.py", "1.5", "1.6"),
            ("constants.py", "SCALE = 1.5", "SCALE = 1.5\nSCALE += 1"),
            ("late.py", "end(x)", "end(-x)"),
            ("last.py", "x + tau", "x - tau"),
            ("last.py", "tau = 6", "tau = 7"),
        ],
    )
    def test_whatever_the_method_uses_of_its_package(self, lab, name, old, new):
        before = lab()
        assert lab(name, old, new) != before

    def test_a_base_class_of_the_framework(self, tmp_path):
        """It is read where the package lies, so that a copy of fmbench can be edited."""
        import fmbench

        copy = tmp_path / "fmbench"
        shutil.copytree(fmbench.__path__[0], copy, ignore=shutil.ignore_patterns("*.safetensors", "__pycache__"))
        found = [digest_in(tmp_path)]
        for file, old, new in [
            ("methods/gaussian_path.py", "weight * error", "2 * weight * error"),
            ("paths/objectives.py", "def target(", "def target(extra=None, *, "),
            ("registry/builtin/samplers.py", "steps=20", "steps=21"),
        ]:
            text = (copy / file).read_text()
            assert old in text
            (copy / file).write_text(text.replace(old, new))
            found.append(digest_in(tmp_path))
        assert len(set(found)) == 3
        assert found[-1] == found[-2]  # what a request says stands in the request


class TestWhatDoesNot:
    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("method.py", "'''The method.'''", "'''Another text.'''"),
            ("method.py", "'''Of descent.'''", ""),
            ("method.py", "# a name of its own", "# other words"),
            ("method.py", "        return finish", "\n\n        return finish"),
            ("method.py", "batch: Batch", "batch: list"),
            ("method.py", "return 3", "return 4"),
            ("method.py", "import math\n", "import math\nimport json\n"),
            ("base.py", "n + 2", "n + 3"),
            ("tools/deep.py", "return x\n", "return -x\n"),
            ("constants.py", "UNUSED = 2", "UNUSED = 3"),
            ("types.py", "pass", "x = 3"),
        ],
    )
    def test_comments_annotations_and_what_is_not_used(self, lab, name, old, new):
        before = lab()
        assert lab(name, old, new) == before

    def test_a_moved_file(self, lab):
        before = lab()
        (lab.home / "base.py").rename(lab.home / "tools" / "roots.py")
        assert lab("method.py", "from .base import", "from .tools.roots import") == before
        (lab.home / "method.py").rename(lab.home / "tools" / "method.py")
        text = (lab.home / "tools" / "method.py").read_text()
        (lab.home / "tools" / "method.py").write_text(
            text.replace(".tools.roots", ".roots").replace("from . ", "from .. ")
        )
        assert digest(["lab.tools.method:Mine"]) == before

    def test_nothing_is_imported(self, lab):
        lab("base.py", "class Base", "raise RuntimeError\nclass Base")
        assert "lab.base" not in sys.modules
        assert "lab" not in sys.modules


class TestStrangers:
    PLUGIN = (
        "from fmbench.api import MethodSpec, hookimpl\nclass Mine:\n    x = 1\n@hookimpl\ndef fmbench_methods():\n"
        "    return [MethodSpec('mine', f'{__name__}:Mine')]\n"
    )
    FILE = "from helper import twice\nfrom fmbench.api import paths\nclass Mine:\n    path = twice(paths.Linear())\n"

    def test_a_file_depends_on_those_beside_it_and_on_what_it_uses_of_the_framework(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "mine.py").write_text(self.FILE)
        (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
        found = [digest(["mine:Mine"])]
        (tmp_path / "helper.py").write_text("def twice(x):\n    return 3 * x\n")
        found.append(digest(["mine:Mine"]))
        (tmp_path / "mine.py").write_text(self.FILE.replace("Linear", "Trig"))
        found.append(digest(["mine:Mine"]))
        assert len({None, *found}) == 4

    def test_a_plugin_file(self, tmp_path):
        file = tmp_path / "mine.py"
        text, found = self.PLUGIN, []
        for now in (text, text.replace("x = 1", "x = 1  # one"), text.replace("x = 1", "x = 2")):
            file.write_text(now)
            found.append(load_plugins([file], environ={}).code.of(["method mine"])["method mine"])
        assert found[0] == found[1] != found[2]

    def test_a_grid_keeps_to_the_code_that_it_has_imported(self, tmp_path):
        file = tmp_path / "mine.py"
        file.write_text(self.PLUGIN)
        plugins = load_plugins([file], environ={})
        plugins.code.read()
        before = plugins.code.of(["method mine"])
        file.write_text(self.PLUGIN.replace("x = 1", "x = 2"))
        assert plugins.code.of(["method mine"]) == before
        assert load_plugins([file], environ={}).code.changed(before) == ["method mine"]

    @pytest.mark.parametrize("factory", ["nowhere:Mine", "math:sin", "lab.nowhere:Mine"])
    def test_what_has_no_source_has_no_digest(self, lab, factory):
        assert digest([factory]) is None

    def test_a_file_that_is_no_python_and_names_made_at_run_time(self, lab):
        lab("base.py", "class Base", "class class Base")
        assert lab() is not None
        before = lab(factory="lab.constants:MADE")
        assert lab("constants.py", "2", "3", factory="lab.constants:MADE") != before  # the whole module counts

    def test_a_folder_of_installed_files_is_not_one_package(self, tmp_path, monkeypatch):
        site = tmp_path / "site-packages"
        site.mkdir()
        monkeypatch.syspath_prepend(site)
        (site / "single.py").write_text("import neighbour\nclass Mine:\n    x = neighbour.x\n")
        (site / "neighbour.py").write_text("x = 1\n")
        before = digest(["single:Mine"])
        (site / "neighbour.py").write_text("x = 2\n")
        assert digest(["single:Mine"]) == before


class TestPresentCode:
    def test_every_shipped_part_has_a_digest_of_its_own_without_torch(self):
        code = (
            "import sys; "
            "from fmbench.registry.discovery import load_plugins; plugins = load_plugins(environ={}); "
            "titles = [f'{r.kind} {s.name}' for r in plugins.registries() for s in r]; "
            "found = plugins.code.of(titles); print(len(titles), len(found), 'torch' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        titles, found, torch = done.stdout.split()
        assert titles == found
        assert torch == "False"

    def test_what_changed_is_named_and_nothing_is_said_of_what_is_not_here(self):
        plugins = load_plugins(environ={})
        plugins.register(MethodSpec("twin", plugins.methods.get("fm-ot").factory))
        plugins.register(NetworkSpec("none", "nowhere:Network"))
        present = plugins.code
        found = present.of(["method twin", "method fm-ot", "network mlp", "network none"])
        assert "network none" not in found
        assert found["method twin"] == found["method fm-ot"]
        recorded = {**found, "network mlp": "0" * 16, "network none": "1", "method gone": "2"}
        assert present.changed(found) == []
        assert present.changed(recorded) == ["network mlp"]


def digest_in(folder):
    """The digest of a method in a process that finds fmbench there."""
    code = "from fmbench.registry.code import digest; print(digest(['fmbench_plugins.flow_matching:FlowMatchingOT']))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout.strip()
