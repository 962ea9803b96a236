"""Configurations: YAML files and what they extend, `--set`, and how one is laid over another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fmbench.errors import FmbenchError, unknown
from fmbench.request.values import names_of, read_yaml

DEFAULT_CONFIG = "default"
Chain = tuple[str, ...]
"""The names of the files that extend each other, the one that the user named first."""


def read_config(name: str) -> dict[str, Any]:
    """A configuration by path, or by the name of a shipped one, over what it extends.

    Raises:
        FmbenchError: it, or one that it extends, does not exist, is not YAML, is not a mapping or extends itself.
    """
    return _read(name, Path(), (), ())


def _read(name: str, folder: Path, chain: Chain, above: tuple[Path, ...]) -> dict[str, Any]:
    chain = (*chain, name)
    path = _locate(name, folder, chain)
    if path.resolve() in above:
        raise FmbenchError(f"configurations extend each other in a circle{_told(chain)}: take one link out")
    content = _load(path, chain)
    extended = content.pop("extends", [])
    bases = [extended] if isinstance(extended, str) else extended
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise FmbenchError(f"{name}: extends must be the name or path of a configuration, or a list of them")
    tree: dict[str, Any] = {}
    for base in bases:
        tree = merge(tree, _read(base, path.parent, chain, (*above, path.resolve())))
    return merge(tree, content)


def _locate(name: str, folder: Path, chain: Chain) -> Path:
    """The file of a configuration; a path is relative to the file that extends it."""
    if Path(name).suffix in {".yaml", ".yml"}:
        return folder / name
    shipped = {file.stem: file for file in shipped_configs()}
    if name not in shipped:
        raise unknown("configuration", name, shipped, f"Or give the path of a .yaml file{_told(chain)}.")
    return shipped[name]


def _load(path: Path, chain: Chain) -> dict[str, Any]:
    name = chain[-1]
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FmbenchError(f"cannot read configuration {name!r}: {error.strerror}{_told(chain)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FmbenchError(f"{name} is not YAML: {' '.join(str(error).split())}{_told(chain)}") from error
    if not isinstance(content, dict):
        raise FmbenchError(f"{name} must be a mapping of keys to values{_told(chain)}")
    return content


def _told(chain: Chain) -> str:
    """How a file was come by, where another one extends it."""
    return f" ({' extends '.join(chain)})" if len(chain) > 1 else ""


def shipped_configs() -> list[Path]:
    """The YAML files installed as `fmbench_configs`."""
    import fmbench_configs

    return sorted(path for folder in fmbench_configs.__path__ for path in Path(folder).glob("*.yaml"))


def assigned(assignments: Sequence[str]) -> dict[str, Any]:
    """What several `--set` say together."""
    tree: dict[str, Any] = {}
    for text in assignments:
        tree = merge(tree, parse_assignment(text))
    return tree


def of_dataset(assignments: Mapping[str, Any], names: Any) -> Mapping[str, Any]:
    """Assignments of which `dataset.KEY` is an option of the dataset, as `data.NAME.KEY`.

    Args:
        assignments: a tree.
        names: the dataset that is asked for, by name or as a list of one.

    Raises:
        FmbenchError: several are asked for.
    """
    own = assignments.get("dataset")
    if not isinstance(own, Mapping):
        return assignments
    named = names_of(names)
    if not isinstance(named, list | tuple) or len(named) != 1:
        key = next(iter(own), "KEY")
        raise FmbenchError(f"--set dataset.{key}: several datasets are asked for; write data.NAME.{key}")
    others = {key: value for key, value in assignments.items() if key != "dataset"}
    return merge({"data": {named[0]: own}}, others)


def parse_assignment(text: str) -> dict[str, Any]:
    """`train.steps=2000` as {"train": {"steps": 2000}}.

    Raises:
        FmbenchError: it is not key=value.
    """
    key, sign, value = text.partition("=")
    if not sign or not all(key.split(".")):
        raise FmbenchError(f"--set {text!r}: write key=value, as in --set train.steps=2000")
    try:
        leaf = read_yaml(value)
    except yaml.YAMLError as error:
        raise FmbenchError(f"--set {text!r}: the value is not YAML; quote it") from error
    return nest({key: leaf})


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"train.lr": 1} as {"train": {"lr": 1}}, of keys of which none lies below another."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return tree


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`top` over `base`, section by section."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if not isinstance(below, Mapping) or not isinstance(value, Mapping):
            merged[key] = value
        elif key == "network" and value.get("name", below.get("name")) != below.get("name"):
            merged[key] = value  # another network has other options: those of the one it replaces must not linger
        else:
            merged[key] = merge(below, value)
    return merged
