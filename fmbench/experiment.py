"""From YAML and `--set` to resolved runs: every key checked, every default filled in, every error one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, create_model

from fmbench.config import (
    Component,
    EvaluationRequest,
    RunRequest,
    Sampler,
    Section,
    Train,
    TrainingRequest,
    difference,
)
from fmbench.errors import FmbenchError, unknown
from fmbench.plugins import Plugins
from fmbench.solvers import resolve_sampler
from fmbench.specs import DatasetSpec, MethodSpec, Option, Scalar, Spec

DEFAULT_CONFIG = "default"


class Experiment(Section):
    """The fixed part of a configuration; sections named after metrics hold those metrics' options."""

    methods: tuple[str, ...] = Field(min_length=1)
    dataset: str = "digits"
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    metrics: tuple[str, ...] | None = None


def read_config(name: str) -> dict[str, Any]:
    """A configuration by path, or by the name of a shipped one.

    Raises:
        FmbenchError: it does not exist, is not YAML or is not a mapping.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        shipped = {file.stem: file for file in shipped_configs()}
        if name not in shipped:
            raise unknown("configuration", name, shipped, "Or give the path of a .yaml file.")
        path = shipped[name]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FmbenchError(f"cannot read configuration {name!r}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise FmbenchError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise FmbenchError(f"{name} must be a mapping of keys to values")
    return content


def shipped_configs() -> list[Path]:
    """The YAML files installed as `fmbench_configs`."""
    import fmbench_configs

    return sorted(path for folder in fmbench_configs.__path__ for path in Path(folder).glob("*.yaml"))


def parse_assignment(text: str) -> dict[str, Any]:
    """`train.steps=2000` as {"train": {"steps": 2000}}.

    Raises:
        FmbenchError: it is not key=value.
    """
    key, sign, value = text.partition("=")
    if not sign or not all(key.split(".")):
        raise FmbenchError(f"--set {text!r}: write key=value, as in --set train.steps=2000")
    try:
        leaf = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise FmbenchError(f"--set {text!r}: the value is not YAML; quote it") from error
    first, *rest = key.split(".")
    return {first: reduce(lambda tree, part: {part: tree}, reversed(rest), leaf)}


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


def resolve(tree: Mapping[str, Any], plugins: Plugins) -> list[RunRequest]:
    """The runs of a configuration, in the order methods x seeds.

    Raises:
        FmbenchError: an unknown method, dataset, network, metric or key, or a value out of range.
    """
    fixed = {key: tree[key] for key in Experiment.model_fields if key in tree}
    sections = {key: value for key, value in tree.items() if key not in fixed}
    known = {"train", "sampler", "network", "options", *(spec.name for spec in plugins.metrics)}
    for key in sections:
        if key not in known:
            raise unknown("key", key, known | set(Experiment.model_fields))
    experiment = validate(Experiment, fixed, "")
    dataset = plugins.datasets.get(experiment.dataset)
    methods = [plugins.methods.get(name) for name in dict.fromkeys(experiment.methods)]
    for name in section(sections, "options"):
        plugins.methods.get(name)
    runs = []
    for method in methods:
        asked = resolve_one(sections, experiment.metrics, method, dataset, plugins)
        plain = resolve_one({}, None, method, dataset, plugins)
        for seed in dict.fromkeys(experiment.seeds):
            runs.append(assemble(asked, plain, seed))
    return runs


Resolved = tuple[dict[str, Any], EvaluationRequest]


def resolve_one(
    asked: Mapping[str, Any],
    metrics: Sequence[str] | None,
    method: MethodSpec,
    dataset: DatasetSpec,
    plugins: Plugins,
) -> Resolved:
    """The training (without its seed) and the evaluation of one method, every default filled in.

    Raises:
        FmbenchError: the method cannot model such data.
    """
    if dataset.kind not in method.kinds:
        raise FmbenchError(
            f"method {method.name!r} models {' and '.join(method.kinds)} data, and {dataset.name} is {dataset.kind} "
            "data"
        )
    budget: dict[str, Any] = {}
    for key, value in [*dataset.budget.items(), *method.budget.items()]:
        budget = merge(budget, parse_assignment(f"{key}={value}"))
    sections = merge(budget, asked)
    for name in ("train", "sampler", "network", "options"):
        section(sections, name)
    training = {
        "dataset": Component(name=dataset.name, options=options_of(dataset, {}, dataset.name)),
        "method": component(method, section(section(sections, "options"), method.name), f"options.{method.name}"),
        "network": network_component(section(sections, "network"), dataset, plugins),
        "train": validate(Train, section(sections, "train"), "train"),
    }
    check_classes(training["train"], training["network"], method, dataset, plugins)
    given = section(sections, "sampler")
    asked_sampler = validate(Sampler, {"name": method.headline_sampler, **given}, "sampler")
    sampler = resolve_sampler(asked_sampler, method, training["method"].options)
    if sampler.guidance != 1 and not training["train"].conditional:
        raise FmbenchError(
            f"sampler.guidance = {sampler.guidance:g}: guides models trained on classes; set train.conditional=true"
        )
    wanted = [spec.name for spec in plugins.metrics if spec.default] if metrics is None else metrics
    chosen = [plugins.metrics.get(name) for name in wanted]
    for spec in chosen:
        if metrics is not None and dataset.kind not in spec.kinds:
            kinds = " or ".join(spec.kinds)
            raise FmbenchError(f"metrics: {spec.name} is of {kinds} data, and {dataset.name} is {dataset.kind} data")
    applicable = [spec for spec in chosen if spec.applies(dataset, method)]
    evaluation = EvaluationRequest(
        sampler=sampler,
        metrics={spec.name: options_of(spec, section(sections, spec.name), spec.name) for spec in applicable},
        sampled=tuple(spec.name for spec in applicable if spec.samples),
    )
    return training, evaluation


def check_classes(train: Train, network: Component, method: MethodSpec, dataset: DatasetSpec, plugins: Plugins) -> None:
    """Whether all parts of a conditional training know classes.

    Raises:
        FmbenchError: one does not.
    """
    if not train.conditional:
        return
    parts = {
        f"method {method.name!r}": method.conditional,
        f"network {network.name!r}": plugins.networks.get(network.name).conditional,
        f"dataset {dataset.name!r}": dataset.classes > 0,
    }
    for part, able in parts.items():
        if not able:
            raise FmbenchError(f"train.conditional = true: {part} has no classes")


def assemble(asked: Resolved, plain: Resolved, seed: int) -> RunRequest:
    """A run, with what sets it apart from the defaults."""
    training = TrainingRequest(**asked[0], seed=seed)
    base = TrainingRequest(**plain[0], seed=seed)
    return RunRequest(
        training=training,
        evaluation=asked[1],
        overrides=difference(shown(training), shown(base)),
        evaluation_overrides={
            **difference({"sampler": asked[1].sampler.model_dump()}, {"sampler": plain[1].sampler.model_dump()}),
            **difference(
                asked[1].metrics,
                {name: plain[1].metrics.get(name, values) for name, values in asked[1].metrics.items()},
            ),
        },
    )


def shown(training: TrainingRequest) -> dict[str, Any]:
    """A training request with the keys that a user would type."""
    return {
        "train": training.train.model_dump(),
        "network": {"name": training.network.name, **training.network.options},
        "options": {training.method.name: training.method.options},
    }


def network_component(given: Mapping[str, Any], dataset: DatasetSpec, plugins: Plugins) -> Component:
    """The shared network; `network.name` chooses it and the other keys are its options."""
    spec = plugins.networks.get(str(given.get("name", "mlp")))
    if dataset.kind not in spec.kinds:
        usable = ", ".join(other.name for other in plugins.networks if dataset.kind in other.kinds)
        raise FmbenchError(
            f"network.name = {spec.name!r}: made for {' or '.join(spec.kinds)} data, and {dataset.name} is "
            f"{dataset.kind} data; choose from: {usable}"
        )
    return component(spec, {key: value for key, value in given.items() if key != "name"}, "network")


def component(spec: Spec, given: Mapping[str, Any], prefix: str) -> Component:
    """A plugin with its options resolved."""
    return Component(name=spec.name, options=options_of(spec, given, prefix))


def options_of(spec: Spec, given: Mapping[str, Any], prefix: str) -> dict[str, Scalar]:
    """Every option of a spec: the given values, checked, over its defaults."""
    options: dict[str, Scalar] = validate(
        options_model(spec.name, tuple(spec.options.items())), given, prefix
    ).model_dump()
    for key, option in spec.options.items():
        if option.above and not float(options[key]) > float(options[option.above]):
            raise FmbenchError(
                f"{prefix}.{key} = {options[key]}: must be greater than "
                f"{prefix}.{option.above} = {options[option.above]}"
            )
    return options


@cache
def options_model(name: str, options: tuple[tuple[str, Option], ...]) -> type[BaseModel]:
    """A pydantic model of a spec's options."""
    fields: dict[str, Any] = {}
    for key, option in options:
        bounds = {bound: getattr(option, bound) for bound in ("gt", "ge", "lt", "le")}
        pattern = f"^({'|'.join(option.choices)})$" if option.choices else None
        fields[key] = (type(option.default), Field(option.default, pattern=pattern, **bounds))
    return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)


def section(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a configuration that must be a mapping (or absent)."""
    value = tree.get(name) or {}
    if not isinstance(value, Mapping):
        raise FmbenchError(f"{name} must be a mapping of keys to values, not {value!r}")
    return value


def validate(model: type[BaseModel], values: Mapping[str, Any], prefix: str) -> Any:
    """`model(**values)`, with the first error as one line.

    Raises:
        FmbenchError: an unknown key (with its nearest match) or a value that is not accepted.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known: Iterable[str] = model.model_fields
            raise unknown(f"key of {prefix}" if prefix else "key", key, known) from error
        name = f"{prefix}.{key}" if prefix else key
        text = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        if first["type"] == "string_pattern_mismatch":
            text = "one of " + ", ".join(first["ctx"]["pattern"][2:-2].split("|"))
        raise FmbenchError(f"{name} = {first['input']!r}: must be {text}") from error
