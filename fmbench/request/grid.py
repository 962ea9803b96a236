"""The grid of runs that a configuration asks for: datasets x methods x sweeps x seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import DatasetSpec, MethodSpec, MetricSpec
from fmbench.request.configuration import Configuration, Settings, check_brought
from fmbench.request.options import refuse_lacking
from fmbench.request.resolution import absence, assemble, resolve_one
from fmbench.request.schema import RunRequest, canonical


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


def resolve(asked: Configuration, plugins: Plugins) -> Grid:
    """The runs of a configuration.

    Raises:
        FmbenchError: an unknown method, dataset, network or metric, or a method or a metric that exists on none of the
            datasets.
    """
    scope = asked.scope
    datasets = [plugins.datasets.get(name) for name in dict.fromkeys(scope.dataset)]
    methods = [plugins.methods.get(name) for name in dict.fromkeys(scope.methods)]
    for dataset in datasets:
        check_brought(dataset, "dataset", plugins)
    for method in methods:
        check_brought(method, "method", plugins)
    named = [plugins.metrics.get(name) for name in dict.fromkeys(scope.metrics or ())]
    runs: dict[str, RunRequest] = {}
    for dataset in datasets:
        there = [spec.name for spec in named if dataset not in unmeasured(spec, datasets)]
        metrics = None if scope.metrics is None else there
        for method in methods:
            if dataset in unmodelled(method, datasets):
                continue
            plain = resolve_one(Settings(), metrics, method, dataset, plugins)
            for variant in asked.variants:
                resolved = resolve_one(variant, metrics, method, dataset, plugins)
                refuse_lacking(dataset, resolved[0]["dataset"], f"data.{dataset.name}")
                refuse_lacking(method, resolved[0]["method"], f"options.{method.name}")
                for seed in scope.seeds:
                    run = assemble(resolved, plain, seed, method.family)
                    runs[canonical(run.model_dump())] = run
    return Grid(tuple(runs.values()), (*passed_over(methods, named, datasets), *cut_short(runs.values())))


def cut_short(runs: Iterable[RunRequest]) -> Iterator[str]:
    """Where a warm-up has no room: one line for all such runs."""
    found = {(run.training.train.warmup, run.training.train.steps) for run in runs if run.training.budget is None}
    for warmup, steps in sorted(found):
        if warmup >= steps:
            short = f"train.warmup = {warmup} is no less than train.steps = {steps}"
            yield f"{short}: the learning rate never reaches its peak"


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
