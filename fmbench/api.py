"""The public names for plugin authors. Importing this module, or a spec from it, does not import torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fmbench.hookspecs import hookimpl
from fmbench.specs import DatasetSpec, MethodSpec, MetricSpec, NetworkSpec, Option

if TYPE_CHECKING:
    from fmbench import couplings, likelihood, objectives, paths
    from fmbench.config import Sampler
    from fmbench.data.base import Dataset, Density, Levels, Standardise, Transform
    from fmbench.gaussian_path import GaussianPathMethod
    from fmbench.method import Batch, Method, Task
    from fmbench.metrics.base import Metric, MetricValue
    from fmbench.solvers import ancestral

_HOMES = {
    "Batch": "fmbench.method",
    "Dataset": "fmbench.data.base",
    "Density": "fmbench.data.base",
    "GaussianPathMethod": "fmbench.gaussian_path",
    "Levels": "fmbench.data.base",
    "Method": "fmbench.method",
    "Metric": "fmbench.metrics.base",
    "MetricValue": "fmbench.metrics.base",
    "Sampler": "fmbench.config",
    "Standardise": "fmbench.data.base",
    "Task": "fmbench.method",
    "Transform": "fmbench.data.base",
    "ancestral": "fmbench.solvers",
    "couplings": "fmbench",
    "likelihood": "fmbench",
    "objectives": "fmbench",
    "paths": "fmbench",
}

__all__ = [  # noqa: RUF022 - the specs first: they are what a reader needs first
    "DatasetSpec", "MethodSpec", "MetricSpec", "NetworkSpec", "Option", "hookimpl",
    "Batch", "Dataset", "Density", "GaussianPathMethod", "Levels", "Method", "Metric", "MetricValue", "Sampler",
    "Standardise", "Task", "Transform", "ancestral", "couplings", "likelihood", "objectives", "paths",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    if name.islower():
        return importlib.import_module(f"{home}.{name}")
    return getattr(importlib.import_module(home), name)
