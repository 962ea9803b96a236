"""What a metric is given and what it gives back."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fmbench import provenance
from fmbench.data.base import Dataset
from fmbench.errors import ContractError, FmbenchError, SolverError, Unavailable, found
from fmbench.methods.base import Method
from fmbench.methods.flow import FlowMethod
from fmbench.metrics.features import Features
from fmbench.metrics.seals import Seals
from fmbench.progress import Progress
from fmbench.registry.names import Registry
from fmbench.registry.specs import FLOOR, DatasetSpec, ExtractorSpec, MethodSpec
from fmbench.request.schema import Sampler
from fmbench.seeding import reseed, stream
from fmbench.solvers.nfe import Count, counted

LEAK = 0.01  # share of held-out points in the training split that numbers on them warn of


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
    """A set of generated points.

    Args:
        raw: (n, *shape), as the dataset keeps them: uint8 levels or float64 coordinates.
        nfe: network evaluations a sample, one entry a batch.
        counts: all the work of the batches, surplus samples included.
        seconds: what drawing them took.
        peak_memory_bytes: the most memory that the process has held so far.
    """

    raw: Tensor
    nfe: list[float]
    counts: Count
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Snapshot:
    """Weights kept during training.

    Args:
        step: after which they were kept.
        seconds: of training until then.
        load: the method with those (averaged) weights, in evaluation mode.
    """

    step: int
    seconds: float
    load: Callable[[], Method]


@dataclass(frozen=True)
class Evaluation:
    """Trained weights and everything that a metric may look at.

    Args:
        method: in evaluation mode, with its averaged weights.
        method_spec: its spec.
        dataset: the data.
        dataset_spec: its spec.
        extractors: feature extractors to choose from.
        sampler: how samples are drawn.
        seed: of the run; the same seed gives every method the same noise.
        device: where to compute.
        progress: told of progress.
        snapshots: weights kept during training, where any were.
        seals: what metrics share, so that one that changes it is found out.
    """

    method: Method
    method_spec: MethodSpec
    dataset: Dataset
    dataset_spec: DatasetSpec
    extractors: Registry[ExtractorSpec]
    sampler: Sampler
    seed: int
    device: torch.device
    progress: Progress
    snapshots: Sequence[Snapshot] = ()
    seals: Seals = field(default_factory=Seals)
    _sets: dict[int, Samples] = field(default_factory=dict)
    _failures: dict[int, Exception] = field(default_factory=dict)
    _features: dict[str, Features] = field(default_factory=dict)
    _kept: dict[str, np.ndarray] = field(default_factory=dict)

    def keep(self, **arrays: Tensor | np.ndarray) -> None:
        """Leave arrays for pictures: they go into the run's directory beside the metric's numbers.

        Keep few and small ones, as float16 or uint8: they are copied with every run. Those of a second call are added.

        Args:
            arrays: by name; on any device.

        Raises:
            FmbenchError: one holds something else than numbers.
        """
        for name, array in arrays.items():
            plain = array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
            if plain.dtype.hasobject:
                raise FmbenchError(f"cannot keep {name!r}: it holds something else than numbers")
            self._kept[name] = plain

    def kept(self) -> dict[str, np.ndarray]:
        """What was left since this was last asked."""
        arrays = dict(self._kept)
        self._kept.clear()
        return arrays

    def stream(self, *names: object) -> torch.Generator:
        """Randomness for a named purpose; the generators that belong to nobody are seeded for it too."""
        reseed(self.device, self.seed, "evaluate", *names, "global")
        return stream(self.device, self.seed, "evaluate", *names)

    @cached_property
    def leak(self) -> dict[str, str]:
        """A warning, for the details of numbers on held-out points, where a hundredth of them are training points."""
        n, leaked = len(self.dataset.test), self.dataset.leaked()
        told = f"{leaked} of {n} held-out points are training points too"
        return {"warning": told} if leaked >= LEAK * n else {}

    @property
    def samples(self) -> tuple[Samples, ...]:
        """sampler.draws sets of sampler.samples points, drawn once for all metrics."""
        return tuple(self.sample_set(index) for index in range(self.sampler.draws))

    def sample_set(self, index: int) -> Samples:
        """One of `samples`, for a metric that needs no more; what could not be drawn is not tried again."""
        if index in self._failures:
            raise self._failures[index]
        if index not in self._sets:
            try:
                self._sets[index] = self.draw(index)
            except Exception as error:  # whatever it is, it is raised on, and again for whoever asks later
                self._failures[index] = error
                raise
            self.seals.add("the samples", self._sets[index].raw)
        return self._sets[index]

    def first_drawn(self) -> Samples | None:
        """The first of `samples`, if any metric has asked for it yet."""
        return self._sets.get(0)

    def draw(self, index: int = 0, *, method: Method | None = None, **changes: Any) -> Samples:
        """One set of samples, in whole batches of sampler.batch_size.

        Whole batches, the surplus dropped: the steps of an adaptive solver depend on what it solves together.

        Args:
            index: which set; it has noise of its own, the same for every method and sampler.
            method: other weights than those evaluated.
            changes: to the sampler, as name="euler", steps=10.

        Raises:
            ContractError: the method gives something else than so many points of the data's shape.
            SolverError: a sample is not finite.
        """
        sampler = self.sampler.model_copy(update=changes)
        method = method or self.method
        wanted, size = sampler.samples, sampler.batch_size
        parts, nfe, total = [], [], Count()
        begun = time.perf_counter()
        self.progress.stage(f"sample ({sampler.name}), set {index + 1}", wanted)
        for batch in range(-(-wanted // size)):
            # The first set keeps the streams that single sets had.
            generator = self.stream("sample", batch) if index == 0 else self.stream("sample", batch, "set", index)
            with self._beside(method, batch, size), counted(method) as count:
                x = method.sample(size, sampler, generator)
            check_samples(x, (size, *self.dataset.shape), self.method_spec.name, sampler.name)
            parts.append(self.dataset.transform.decode(x.double()).cpu())
            nfe.append(round(count.rows / size, 6))  # shares of a call add up to whole ones but for rounding
            total.add(count)
            self.progress.update(min(wanted, (batch + 1) * size), f"{nfe[-1]:.0f} NFE")
        seconds = time.perf_counter() - begun
        return Samples(torch.cat(parts)[:wanted], nfe, total, seconds, provenance.peak_memory(str(self.device)))

    def _beside(self, method: Method, batch: int, size: int) -> AbstractContextManager[None]:
        """Of pair data: the images of a batch of samples, which are those of the test points, again from the first."""
        if self.dataset.given is None:
            return nullcontext()
        rows = torch.arange(batch * size, (batch + 1) * size) % len(self.dataset.test)
        return method.beside(self.dataset.given(self.dataset.test[rows]).to(self.device))

    def flow(self) -> FlowMethod:
        """The method, for metrics that follow its velocity from points of its source.

        Raises:
            Unavailable: it is no flow.
        """
        if not isinstance(self.method, FlowMethod):
            raise Unavailable(f"{self.method_spec.name} is no fmbench.api.FlowMethod: it has no source to start from")
        return self.method

    def features(self, name: str) -> Features:
        """The features of samples, training and held-out images under an extractor, computed once.

        Raises:
            FmbenchError: the extractor's weights are not what they should be.
            Unavailable: they are not here.
        """
        if name not in self._features:
            self._features[name] = Features.of(self.extractors.get(name), self.dataset, self.device, self.seals)
        return self._features[name]


def check_samples(x: Any, shape: tuple[int, ...], method: str, sampler: str) -> None:
    """Whether a method gave the points that it was asked for.

    Raises:
        ContractError: it gave something else.
        SolverError: one is not finite.
    """
    if not isinstance(x, Tensor) or x.shape != shape or not x.is_floating_point():
        raise ContractError(
            f"method {method!r}: sample({shape[0]}, ...) by {sampler} gave {found(x)}, not points {shape}"
        )
    if not torch.isfinite(x).all():  # as levels they would look like black pixels
        bad = int((~torch.isfinite(x.flatten(1)).all(dim=1)).sum())
        raise SolverError(f"{sampler} drew samples of which {bad} of {len(x)} are not finite")


def on_features(
    name: str, value: float, n: int, features: Features, error: float | None = None, **details: object
) -> MetricValue:
    """A number of n images' features, with the extractor and the reference that it depends on."""
    return MetricValue(name, value, error, "", features.extractor.name, n, {**features.details, **details})


class Metric(ABC):
    """A measurement. Its options arrive as keyword arguments of the constructor.

    `measure` may raise `errors.Unavailable` (weights absent, say) or `errors.SolverError`: the cell then carries
    the reason and the run's other numbers stand.
    """

    @abstractmethod
    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The numbers, each with its unit, family and size."""


def floors(names: Sequence[str], measure: Callable[[], Sequence[MetricValue]]) -> list[MetricValue]:
    """What real data reach in some numbers; without them, as of a small test split, the numbers themselves stand."""
    try:
        return list(measure())
    except Unavailable as reason:
        return [MetricValue(f"{name}{FLOOR}", None, reason=str(reason)) for name in names]


def over_sets(each: Sequence[MetricValue]) -> MetricValue:
    """One number from those of several sets of samples: their mean, with the standard error of that mean.

    The values themselves stay in the details. A single set keeps the error that it came with.
    """
    if len(each) == 1:
        return each[0]
    values = [number.value for number in each if number.value is not None]
    if len(values) < len(each):
        return next(number for number in each if number.value is None)
    mean, error = mean_and_error(values)
    return replace(each[0], value=mean, error=error, details={**each[0].details, "sets": values})


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and its standard error where there are two values or more."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return mean, None
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1) / n)
