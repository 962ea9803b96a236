"""What a metric is given and what it gives back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fmbench.config import Sampler
from fmbench.data.base import Dataset
from fmbench.method import Method
from fmbench.progress import Watcher
from fmbench.seeding import stream
from fmbench.solvers.nfe import counted
from fmbench.specs import DatasetSpec, MethodSpec


@dataclass(frozen=True)
class MetricValue:
    """A number and what was seen while measuring it; see `store.records.MetricRecord` for the fields."""

    name: str
    value: float | None
    error: float | None = None
    unit: str = ""
    family: str = ""
    n: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Samples:
    """Generated points.

    Args:
        x: (n, *shape), model space, float64.
        nfe: network evaluations a sample, one entry a batch.
        seconds: what drawing them took.
    """

    x: Tensor
    nfe: list[float]
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Trained weights and everything that a metric may look at.

    Args:
        method: in evaluation mode, with its averaged weights.
        method_spec: its spec.
        dataset: the data.
        dataset_spec: its spec.
        sampler: how samples are drawn.
        seed: of the run; the same seed gives every method the same noise.
        device: where to compute.
        watcher: told of progress.
    """

    method: Method
    method_spec: MethodSpec
    dataset: Dataset
    dataset_spec: DatasetSpec
    sampler: Sampler
    seed: int
    device: torch.device
    watcher: Watcher

    def stream(self, *names: object) -> torch.Generator:
        """Randomness for a named purpose."""
        return stream(self.device, self.seed, "evaluate", *names)

    @cached_property
    def samples(self) -> Samples:
        """sampler.samples points, drawn once for all metrics in whole batches of sampler.batch_size.

        Whole batches, the surplus dropped: the steps of an adaptive solver depend on what it solves together.
        """
        wanted, size = self.sampler.samples, self.sampler.batch_size
        batches, nfe = [], []
        begun = time.perf_counter()
        self.watcher.stage(f"sample ({self.sampler.name})", wanted)
        for index in range(-(-wanted // size)):
            with counted(self.method) as count:
                batches.append(self.method.sample(size, self.sampler, self.stream("sample", index)))
            nfe.append(round(count.rows / size, 6))  # shares of a call add up to whole ones but for rounding
            self.watcher.update(min(wanted, (index + 1) * size), f"{nfe[-1]:.0f} NFE")
        x = torch.cat(batches)[:wanted].double()
        return Samples(x, nfe, time.perf_counter() - begun)


class Metric(ABC):
    """A measurement. Its options arrive as keyword arguments of the constructor.

    `measure` may raise `errors.Unavailable` (weights absent, say) or `errors.SolverError`: the cell then carries
    the reason and the run's other numbers stand.
    """

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The numbers, each with its unit, family and size."""
