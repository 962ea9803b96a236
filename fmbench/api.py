"""The public names for plugin authors. Importing this module, or a spec from it, does not import torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fmbench.hookspecs import hookimpl
from fmbench.specs import DatasetSpec, ExtractorSpec, MethodSpec, MetricSpec, NetworkSpec, Option

if TYPE_CHECKING:
    from fmbench import couplings, likelihood, objectives, paths, sources
    from fmbench.config import Sampler
    from fmbench.data.base import Dataset, Density, Levels, Standardise, Transform
    from fmbench.flow import FlowMethod
    from fmbench.gaussian_path import GaussianPathMethod, Preconditioning
    from fmbench.likelihood import LikelihoodSettings, LogDensity
    from fmbench.method import Batch, Method, Preparation, Task
    from fmbench.metrics.base import Metric, MetricValue
    from fmbench.metrics.extractors import Extractor
    from fmbench.solvers import ancestral, ode
    from fmbench.solvers.nfe import CountedNetwork
    from fmbench.two_sided import Spread, TwoSidedMethod

_HOMES = {
    "Batch": "fmbench.method",
    "CountedNetwork": "fmbench.solvers.nfe",
    "Dataset": "fmbench.data.base",
    "Density": "fmbench.data.base",
    "Extractor": "fmbench.metrics.extractors",
    "FlowMethod": "fmbench.flow",
    "GaussianPathMethod": "fmbench.gaussian_path",
    "Levels": "fmbench.data.base",
    "LikelihoodSettings": "fmbench.likelihood",
    "LogDensity": "fmbench.likelihood",
    "Method": "fmbench.method",
    "Metric": "fmbench.metrics.base",
    "MetricValue": "fmbench.metrics.base",
    "Preconditioning": "fmbench.gaussian_path",
    "Preparation": "fmbench.method",
    "Sampler": "fmbench.config",
    "Spread": "fmbench.two_sided",
    "Standardise": "fmbench.data.base",
    "Task": "fmbench.method",
    "Transform": "fmbench.data.base",
    "TwoSidedMethod": "fmbench.two_sided",
    "ancestral": "fmbench.solvers",
    "couplings": "fmbench",
    "likelihood": "fmbench",
    "objectives": "fmbench",
    "ode": "fmbench.solvers",
    "paths": "fmbench",
    "sources": "fmbench",
}

__all__ = [  # noqa: RUF022 - the specs first: they are what a reader needs first
    "DatasetSpec", "ExtractorSpec", "MethodSpec", "MetricSpec", "NetworkSpec", "Option", "hookimpl",
    "Batch", "CountedNetwork", "Dataset", "Density", "Extractor", "FlowMethod", "GaussianPathMethod", "Levels",
    "LikelihoodSettings", "LogDensity", "Method", "Metric", "MetricValue", "Preconditioning", "Preparation", "Sampler",
    "Spread", "Standardise", "Task", "Transform", "TwoSidedMethod", "ancestral", "couplings", "likelihood",
    "objectives", "ode", "paths", "sources",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if name.islower():
        return importlib.import_module(f"{home}.{name}")
    return getattr(importlib.import_module(home), name)
