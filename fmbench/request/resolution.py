"""One run of a configuration resolved: every key checked, every default filled in, every error one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.names import Registry
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import DatasetSpec, MethodSpec, MetricSpec, NetworkSpec, Scalar
from fmbench.request import budgets
from fmbench.request.configuration import Settings
from fmbench.request.files import merge, nest
from fmbench.request.options import component, options_of, recorded
from fmbench.request.sampling import resolve_sampler
from fmbench.request.schema import (
    Component,
    EvaluationRequest,
    RunRequest,
    Train,
    TrainingRequest,
    difference,
)

Resolved = tuple[dict[str, Any], EvaluationRequest]


def resolve_one(
    asked: Settings,
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
    given = over_defaults(asked, method, dataset)
    train = Train(**budgets.with_steps(given.train, given.budget, method))
    network = network_component(given.network, dataset, plugins)
    check_classes(train, network, method, dataset, plugins)
    if train.flips and not dataset.of_images:
        raise FmbenchError(f"train.flips = true: {dataset.name} is {dataset.kind} data, which have no left and right")
    trained = method_component(method, given.options.get(method.name, {}), dataset, plugins)
    training = {
        "dataset": component(dataset, given.data.get(dataset.name, {}), f"data.{dataset.name}"),
        "method": trained,
        "network": network,
        "train": train,
        "budget": budgets.limit(given.budget),
    }
    return training, resolve_evaluation(asked, metrics, trained, train, dataset, plugins)


def over_defaults(asked: Settings, method: MethodSpec, dataset: DatasetSpec) -> Settings:
    """What is asked over the defaults that the method and the dataset bring."""
    brought = merge(nest(dataset.budget), nest(method.budget))
    sections = merge(
        brought,
        {
            "train": asked.train,
            "sampler": asked.sampler,
            "network": asked.network,
            "options": asked.options,
            **asked.metrics,
        },
    )
    return replace(
        asked,
        train=sections.pop("train"),
        sampler=sections.pop("sampler"),
        network=sections.pop("network"),
        options=sections.pop("options"),
        metrics=sections,
    )


def resolve_evaluation(
    asked: Settings,
    metrics: Sequence[str] | None,
    trained: Component,
    train: Train,
    dataset: DatasetSpec,
    plugins: Plugins,
) -> EvaluationRequest:
    """How a method's trained weights are measured, every default filled in.

    Raises:
        FmbenchError: a sampler that the method cannot use, or a metric that such data do not have, or whose package is
            not installed.
    """
    method = plugins.methods.get(trained.name)
    given = over_defaults(asked, method, dataset)
    sampler = resolve_sampler(given.sampler, method, trained.options, plugins)
    if sampler.guidance != 1 and not train.conditional:
        raise FmbenchError(
            f"sampler.guidance = {sampler.guidance:g}: guides models trained on classes; set train.conditional=true"
        )
    wanted = [spec.name for spec in plugins.metrics if spec.default] if metrics is None else metrics
    chosen = [plugins.metrics.get(name) for name in dict.fromkeys(wanted)]
    for spec in chosen:
        if metrics is not None and not spec.measures(dataset):
            raise FmbenchError(f"metrics: {spec.name} does not exist on {dataset.name}: {absence(spec, dataset)}")
        if metrics is not None and spec.package and find_spec(spec.package) is None:
            raise FmbenchError(
                f"metrics: {spec.name} needs {spec.package}, which is not here: pip install {spec.package}"
            )
    existing = [spec for spec in chosen if spec.measures(dataset)]
    applicable = [spec for spec in existing if spec.applies(method)]
    return EvaluationRequest(
        sampler=sampler,
        metrics={spec.name: metric_options(spec, given.metrics, dataset, plugins) for spec in applicable},
        sampled=tuple(spec.name for spec in applicable if spec.samples),
        inapplicable=tuple(spec.name for spec in existing if spec not in applicable),
    )


def absence(spec: MetricSpec, dataset: DatasetSpec) -> str:
    """Why a metric does not exist on a dataset."""
    if dataset.kind not in spec.kinds:
        return f"it is {dataset.kind} data"
    unknown_density = spec.known_density and not dataset.known_density
    return "its density is not known" if unknown_density else f"its images are smaller than {spec.side} pixels"


def metric_options(
    spec: MetricSpec, given: Mapping[str, Any], dataset: DatasetSpec, plugins: Plugins
) -> dict[str, Scalar]:
    """The options of a metric, its feature extractor by its real name."""
    options = recorded(options_of(spec, given.get(spec.name, {}), spec.name), spec, spec.defaults)
    for key, option in spec.options.items():
        if option.extractor:
            own = dataset.features or "inception"
            name = str(options[key]) if options[key] != "dataset" else own
            options[key] = plugins.extractors.get(name).name if dataset.of_images else ""
    return options


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


def assemble(asked: Resolved, plain: Resolved, seed: int, family: str) -> RunRequest:
    """A run, with what sets it apart from the defaults."""
    training = TrainingRequest(**asked[0], seed=seed)
    base = TrainingRequest(**plain[0], seed=seed)
    return RunRequest(
        training=training,
        evaluation=asked[1],
        overrides=difference(shown(training), shown(base)),
        family=family,
        evaluation_overrides=evaluation_difference(asked[1], plain[1]),
    )


def evaluation_difference(asked: EvaluationRequest, plain: EvaluationRequest) -> dict[str, Scalar]:
    """How an evaluation differs from the default one."""
    return difference(measurement(asked), measurement(plain))


def measurement(evaluation: EvaluationRequest) -> dict[str, Any]:
    """An evaluation with the keys that a user would type."""
    return {"sampler": evaluation.sampler.model_dump(), **evaluation.metrics}


def shown(training: TrainingRequest) -> dict[str, Any]:
    """A training request with the keys that a user would type."""
    budget = {} if training.budget is None else {"budget": training.budget.model_dump()}
    return {
        "train": training.train.model_dump(exclude={"steps"} if budget else None),
        **budget,
        "network": {"name": training.network.name, **training.network.options},
        "options": {training.method.name: training.method.options},
        "data": {training.dataset.name: training.dataset.options},
    }


def method_component(spec: MethodSpec, given: Mapping[str, Any], dataset: DatasetSpec, plugins: Plugins) -> Component:
    """A method with its options resolved.

    Raises:
        FmbenchError: an unknown key, a value that is not accepted or does not fit the data, or a source that is no
            dataset of known density and of the same shape.
    """
    prefix = f"options.{spec.name}"
    found = component(spec, given, prefix)
    refuse_misfit(spec, found, dataset, prefix)
    for key, option in spec.options.items():
        if option.source and found.options[key] != "normal":
            check_source(f"{prefix}.{key}", str(found.options[key]), dataset, plugins)
    return found


def check_source(key: str, name: str, dataset: DatasetSpec, plugins: Plugins) -> None:
    """Whether x0 can be drawn from a dataset.

    Raises:
        FmbenchError: there is none of known density by that name, or its points are of another kind or shape.
    """
    known = {spec.name: spec for spec in plugins.datasets if spec.known_density}
    if name not in known:
        raise unknown(key, name, {"normal", *known})
    source = known[name]
    if source.kind != dataset.kind or (source.shape and dataset.shape and source.shape != dataset.shape):
        found, wanted = (f"{spec.kind} data {spec.shape or ''}".strip() for spec in (source, dataset))
        raise FmbenchError(f"{key} = {name!r}: {name} is {found}, and {dataset.name} is {wanted}")


def refuse_misfit(spec: MethodSpec | NetworkSpec, chosen: Component, dataset: DatasetSpec, prefix: str) -> None:
    """Whether a part can be built for the data, where their shape is known before they are loaded.

    Raises:
        FmbenchError: it cannot.
    """
    misfit = spec.misfit(chosen.options, dataset.shape) if dataset.shape else ""
    if misfit:
        raise FmbenchError(f"{prefix}: {misfit} ({dataset.name})")


def network_component(given: Mapping[str, Any], dataset: DatasetSpec, plugins: Plugins) -> Component:
    """The shared network; `network.name` chooses it and the other keys are its options."""
    spec = plugins.networks.get(str(given.get("name", "mlp")))
    if dataset.kind not in spec.kinds:
        usable = ", ".join(other.name for other in plugins.networks if dataset.kind in other.kinds)
        raise FmbenchError(
            f"network.name = {spec.name!r}: made for {' or '.join(spec.kinds)} data, and {dataset.name} is "
            f"{dataset.kind} data; choose from: {usable}"
        )
    found = component(spec, {key: value for key, value in given.items() if key != "name"}, "network")
    refuse_misfit(spec, found, dataset, f"network.name = {spec.name!r}")
    return found


def absent(training: TrainingRequest, plugins: Plugins) -> list[tuple[str, str]]:
    """The parts of a training that no plugin offers, each as its kind and name."""
    registries: list[tuple[Registry[Any], Component]] = [
        (plugins.methods, training.method),
        (plugins.networks, training.network),
        (plugins.datasets, training.dataset),
    ]
    return [(registry.kind, part.name) for registry, part in registries if part.name not in registry]
