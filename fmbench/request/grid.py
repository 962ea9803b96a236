"""The grid of runs that a configuration asks for: datasets x methods x sweeps x seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, overload

from pydantic import Field, NonNegativeInt, field_validator

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import DatasetSpec, MethodSpec, MetricSpec
from fmbench.request import sweeps
from fmbench.request.files import merge
from fmbench.request.options import section, validate
from fmbench.request.resolution import absence, assemble, resolve_one
from fmbench.request.schema import RunRequest, Section, canonical


class Experiment(Section):
    """The fixed part of a configuration; sections named after metrics hold those metrics' options."""

    methods: tuple[str, ...] = Field(min_length=1)
    dataset: tuple[str, ...] = Field(default=("digits",), min_length=1)
    seeds: tuple[NonNegativeInt, ...] = Field(default=(0,), min_length=1)
    metrics: tuple[str, ...] | None = None

    @field_validator("dataset", mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        """One name, or several with commas, as a list."""
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


@dataclass(frozen=True)
class Grid(Sequence[RunRequest]):
    """Runs, and what there is to say about those that are not among them.

    Args:
        runs: datasets x methods x sweeps x seeds, in this order, each once.
        notes: lines on what was passed over, as "glow does not model vector data: passed over on moons".
    """

    runs: tuple[RunRequest, ...]
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> RunRequest: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[RunRequest, ...]: ...

    def __getitem__(self, index: int | slice) -> RunRequest | tuple[RunRequest, ...]:
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)


def resolve(tree: Mapping[str, Any], plugins: Plugins) -> Grid:
    """The runs of a configuration.

    Raises:
        FmbenchError: an unknown method, dataset, network, metric or key, a value out of range, or a method or a metric
            that exists on none of the datasets.
    """
    fixed = {key: tree[key] for key in Experiment.model_fields if key in tree}
    sections = {key: value for key, value in tree.items() if key not in fixed}
    swept = sweeps.of(sections)
    check_keys([key for key in sections if key != "sweep"], swept, plugins)
    experiment = validate(Experiment, fixed, "")
    datasets = [plugins.datasets.get(name) for name in dict.fromkeys(experiment.dataset)]
    methods = [plugins.methods.get(name) for name in dict.fromkeys(experiment.methods)]
    named = [plugins.metrics.get(name) for name in dict.fromkeys(experiment.metrics or ())]
    variants = [merge(sections, setting) for setting in sweeps.settings(swept)]
    for name in chain.from_iterable(section(variant, "options") for variant in variants):
        plugins.methods.get(name)
    runs: dict[str, RunRequest] = {}
    for dataset in datasets:
        there = [spec.name for spec in named if dataset not in unmeasured(spec, datasets)]
        metrics = None if experiment.metrics is None else there
        for method in methods:
            if dataset in unmodelled(method, datasets):
                continue
            plain = resolve_one({}, metrics, method, dataset, plugins)
            for variant in variants:
                asked = resolve_one(variant, metrics, method, dataset, plugins)
                for seed in experiment.seeds:
                    run = assemble(asked, plain, seed, method.family)
                    runs[canonical(run.model_dump())] = run
    return Grid(tuple(runs.values()), tuple(passed_over(methods, named, datasets)))


def check_keys(keys: Iterable[str], swept: Iterable[str], plugins: Plugins) -> None:
    """Whether the sections of a configuration are known, those that it sweeps too.

    Raises:
        FmbenchError: one is not, or what is swept is a list by itself.
    """
    spanned = set(Experiment.model_fields)
    known = {"train", "budget", "sampler", "network", "options", *(spec.name for spec in plugins.metrics)}
    for key in keys:
        if key not in known:
            raise unknown("key", key, {*known, *spanned, "extends", "sweep"})
    for key in swept:
        first = key.partition(".")[0]
        if first in spanned:
            raise FmbenchError(f"sweep of {key}: {first} takes a list by itself; give it there, or as --{first}")
        if first not in known:
            raise unknown("key to sweep", key, known)


def unmodelled(method: MethodSpec, datasets: Sequence[DatasetSpec]) -> list[DatasetSpec]:
    """The datasets on which a method is passed over because it can model others of them."""
    return unless_all([dataset for dataset in datasets if dataset.kind not in method.kinds], datasets)


def unmeasured(metric: MetricSpec, datasets: Sequence[DatasetSpec]) -> list[DatasetSpec]:
    """The datasets on which a named metric is passed over because it exists on others of them."""
    return unless_all([dataset for dataset in datasets if not metric.measures(dataset)], datasets)


def unless_all(part: list[DatasetSpec], whole: Sequence[DatasetSpec]) -> list[DatasetSpec]:
    """Nothing is passed over everywhere: what exists on no dataset was asked for in error, and resolving it says so."""
    return part if len(part) < len(whole) else []


def passed_over(
    methods: Sequence[MethodSpec], metrics: Sequence[MetricSpec], datasets: Sequence[DatasetSpec]
) -> Iterator[str]:
    """What a grid leaves out, a line each."""
    for method in methods:
        for dataset in unmodelled(method, datasets):
            yield f"{method.name} does not model {dataset.kind} data: passed over on {dataset.name}"
    for metric in metrics:
        for dataset in unmeasured(metric, datasets):
            yield f"{metric.name} does not exist on {dataset.name} ({absence(metric, dataset)}): passed over there"
