"""The hooks a plugin may implement. Each returns cheap specs; nothing heavy is imported until it is used."""

from __future__ import annotations

import pluggy

from fmbench.registry.specs import DatasetSpec, ExtractorSpec, MethodSpec, MetricSpec, NetworkSpec, SamplerSpec

PROJECT = "fmbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def fmbench_methods() -> list[MethodSpec]:
    """Generative methods."""
    raise NotImplementedError


@hookspec
def fmbench_datasets() -> list[DatasetSpec]:
    """Datasets."""
    raise NotImplementedError


@hookspec
def fmbench_networks() -> list[NetworkSpec]:
    """Networks that every method of a run can share."""
    raise NotImplementedError


@hookspec
def fmbench_metrics() -> list[MetricSpec]:
    """Metrics."""
    raise NotImplementedError


@hookspec
def fmbench_samplers() -> list[SamplerSpec]:
    """Samplers that methods can be sampled by."""
    raise NotImplementedError


@hookspec
def fmbench_extractors() -> list[ExtractorSpec]:
    """Feature extractors of images, for FID and its kin."""
    raise NotImplementedError
