from __future__ import annotations

import json
import sys
import textwrap
from importlib import metadata

import pytest

from fmbench.api import MethodSpec, hookimpl
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins

HEAD = "from fmbench.api import MethodSpec, hookimpl\n"
GOOD = HEAD + '@hookimpl\ndef fmbench_methods():\n    return [MethodSpec("good", "nowhere:Good")]\n'
BROKEN = {
    "missing-import": ("import not_there_at_all\n" + GOOD, "import", "No module named 'not_there_at_all'"),
    "wrong-argument": (
        HEAD + "@hookimpl\ndef fmbench_methods(config):\n    return []\n",
        "register",
        "config",
    ),
    "misspelt-hook": (HEAD + "@hookimpl\ndef fmbench_method():\n    return []\n", "hooks", "fmbench_method"),
    "no-hookimpl": (
        HEAD + "def fmbench_methods():\n    return []\n",
        "hooks",
        "fmbench_methods lacks the @hookimpl decorator",
    ),
    "duplicate-name": (
        HEAD + '@hookimpl\ndef fmbench_methods():\n    return [MethodSpec("fm-ot", "x:Y")]\n',
        "name",
        "'fm-ot' is already provided by",
    ),
    "raises": (
        HEAD + '@hookimpl\ndef fmbench_methods():\n    raise RuntimeError("no licence")\n',
        "call",
        "no licence",
    ),
    "wrong-type": (
        HEAD + '@hookimpl\ndef fmbench_methods():\n    return ["fm"]\n',
        "call",
        "list of MethodSpec",
    ),
}


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.mark.parametrize("fault", BROKEN)
def test_each_broken_plugin_is_named_and_hurts_nothing_else(write, fault):
    text, stage, reason = BROKEN[fault]
    plugins = load_plugins([write(fault, text), write("fine", GOOD)], environ={})
    assert [(one.name, one.stage) for one in plugins.broken] == [(fault, stage)]
    assert reason in plugins.broken[0].error
    assert "good" in plugins.methods
    assert {"fm-ot", "ddpm"} <= {spec.name for spec in plugins.methods}


def test_all_broken_plugins_at_once(write):
    files = [write(name, text) for name, (text, _, _) in BROKEN.items()]
    plugins = load_plugins([*files, write("fine", GOOD)], environ={})
    assert [one.name for one in plugins.broken] == list(BROKEN)
    assert "good" in plugins.methods


def test_two_plugins_of_one_name(write, tmp_path):
    first = write("fine", GOOD)
    (tmp_path / "other").mkdir()
    second = tmp_path / "other" / "fine.py"
    second.write_text(GOOD.replace('"good"', '"better"'))
    plugins = load_plugins([first, second], environ={})
    assert [(one.name, one.stage) for one in plugins.broken] == [("fine", "name")]
    assert "better" not in plugins.methods


def test_the_environment_variable_is_a_door(write):
    paths = [write("one", GOOD), write("two", GOOD.replace('"good"', '"other"'))]
    plugins = load_plugins(environ={"FMBENCH_PLUGINS": ":".join(map(str, paths))})
    assert {"good", "other"} <= {spec.name for spec in plugins.methods}
    assert "file one.py" in plugins.methods.origin("good")


class TestEntryPoints:
    """The door of installed packages, with a distribution made for the test."""

    @pytest.fixture
    def install(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path))

        def install(distribution, module, text):
            (tmp_path / f"{module}.py").write_text(text)
            info = tmp_path / f"{distribution}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[fmbench]\n{module} = {module}\n")

        yield install
        for name in ("stranger_good", "stranger_bad"):
            sys.modules.pop(name, None)

    def test_installed_plugins_are_found_and_broken_ones_named(self, install):
        install("aaa-bad", "stranger_bad", "import not_there_at_all\n")
        install("zzz-good", "stranger_good", GOOD)
        plugins = load_plugins(environ={})
        assert "zzz-good 1.0" in plugins.methods.origin("good")
        assert [(one.name, one.distribution, one.stage) for one in plugins.broken] == [
            ("stranger_bad", "aaa-bad 1.0", "import")
        ]

    def test_a_stranger_cannot_take_a_shipped_name(self, install):
        install("aaa", "stranger_good", GOOD.replace('"good"', '"ddpm"'))
        plugins = load_plugins(environ={})
        assert "fmbench-methods" in plugins.methods.origin("ddpm")
        assert plugins.broken[0].stage == "name"

    def test_the_shipped_methods_come_through_entry_points(self):
        names = {entry.name for entry in metadata.entry_points(group="fmbench")}
        assert {"fmbench", "fmbench-methods"} <= names


class TestRegister:
    def test_a_spec(self):
        plugins = Plugins()
        plugins.register(MethodSpec("mine", "here:Mine"))
        assert plugins.methods.get("mine").factory == "here:Mine"
        assert "register()" in plugins.methods.origin("mine")

    def test_an_object_with_hooks(self):
        class Mine:
            @hookimpl
            def fmbench_methods(self):
                return [MethodSpec("mine", "here:Mine")]

        plugins = Plugins()
        plugins.register(Mine())
        assert "mine" in plugins.methods

    def test_a_broken_object_is_reported(self):
        plugins = Plugins()
        plugins.register(object())
        assert plugins.broken[0].stage == "hooks"


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FmbenchError, match="does not exist"):
        load_plugins([tmp_path / "absent.py"], environ={})


class TestRegistry:
    def test_unknown_names_get_the_nearest_and_the_list(self):
        with pytest.raises(FmbenchError, match=r"unknown method 'fm-to'\. Did you mean 'fm-ot'\? Known: .*ddpm.*fm-ot"):
            load_plugins(environ={}).methods.get("fm-to")

    def test_broken_plugins_are_mentioned(self, write):
        plugins = load_plugins([write("broken", "import nothing_like_it")], environ={})
        with pytest.raises(FmbenchError, match=r"1 broken plugin\(s\): see 'fmbench list plugins'"):
            plugins.methods.get("absent")

    def test_a_factory_that_is_not_there(self):
        with pytest.raises(ImportError, match="has no attribute 'Nope'"):
            MethodSpec("x", "json:Nope").load()
        assert MethodSpec("x", "json:dumps").load() is json.dumps
