"""Specs: what a plugin's hook returns. Cheap by design: naming a method must never import torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class Option:
    """One hyper-parameter of a plugin: its default, its meaning and the values it accepts.

    The type of `default` is the type of the option. Bounds are checked when the configuration is read.
    """

    default: Scalar
    help: str
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    choices: tuple[str, ...] = ()
    above: str = ""
    """Another option of the same plugin than which this one must be greater."""
    extractor: bool = False
    """Whether the value names a feature extractor, or "dataset" for the dataset's own."""
    source: bool = False
    """Whether the value names a dataset whose density is known, or "normal" for the standard normal."""
    required: bool = False
    """Whether it must be given, for its default, the empty text, means nothing."""
    recorded: bool = True
    """Whether records have the option at its default too; False only where records from before there was it do not."""

    @property
    def is_positive(self) -> bool:
        """Whether its bounds keep it above zero."""
        return (self.gt is not None and self.gt >= 0) or (self.ge is not None and self.ge > 0)


Options = Mapping[str, Scalar]
Shape = tuple[int, ...]


def fits_all(options: Options, shape: Shape) -> str:
    """Nothing is wrong with any options for data of any shape."""
    del options, shape
    return ""


@dataclass(frozen=True)
class Spec:
    """A named thing that a plugin offers.

    Args:
        name: what a user types.
        factory: "package.module:Class", imported when first used.
        summary: one line for `fmbench list`.
        options: hyper-parameters, passed to the factory by keyword.
    """

    name: str
    factory: str
    summary: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """Import the factory.

        Raises:
            ImportError: its module cannot be imported or has no such attribute.
        """
        module, _, attribute = self.factory.partition(":")
        try:
            loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        except AttributeError as error:
            raise ImportError(f"{self.name}: module {module!r} has no attribute {attribute!r}") from error
        return loaded

    @property
    def defaults(self) -> dict[str, Scalar]:
        """Every option at its default."""
        return {key: option.default for key, option in self.options.items()}


@dataclass(frozen=True)
class MethodSpec(Spec):
    """A generative method: one row of the table.

    Args:
        kinds: the kinds of data it can model.
        family: the heading under which it is listed, as "flow matching".
        paper: citation key or reference.
        provides: what samplers may use: "velocity" (of an ODE from noise to data), "score", "data" (the
            denoiser's estimate of x1).
        likelihoods: families of log-likelihood it can report: "exact", "pf-ode" (change of variables along the
            flow), "truncated" (exact but for a cut power series, hence biased) or "vlb" (variational bound). Empty
            where it has none.
        native_sampler: the sampler of its paper; the headline sampler of methods without a velocity.
        native_options: the method's options that are defaults of its native sampler, by the sampler's own name for
            them, as {"steps": "timesteps"}.
        conditional: whether it can be trained on classes and guided.
        misfit: why it cannot be built with some options for points of a shape; "" where it can.
        teacher: a method that is trained first, under the same budget and seed and with its default options, and
            handed to `prepare`; its cost is charged to this method's training.
        budget: configuration defaults that the method needs, by dotted key, over those of the dataset. A method that
            sets train.steps is trained for another budget than the others, and the table says so; where a budget is
            asked for, that counts.
    """

    family: str = "other"
    paper: str = ""
    provides: tuple[str, ...] = ("velocity", "score", "data")
    likelihoods: tuple[str, ...] = ("pf-ode",)
    native_sampler: str = "dopri5"
    native_options: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("image", "vector")
    conditional: bool = False
    misfit: Callable[[Options, Shape], str] = fits_all
    teacher: str = ""
    budget: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def headline_sampler(self) -> str:
        """dopri5 where there is a velocity, as in Lipman et al. 2023, Table 1; else the native one."""
        return "dopri5" if "velocity" in self.provides else self.native_sampler


@dataclass(frozen=True)
class DatasetSpec(Spec):
    """Data with its splits, transform and licence.

    Args:
        kind: "image", "vector", or "pair" for images that are to be drawn beside another that is given, as its larger
            version; methods, networks and metrics say which kinds they are for.
        features: the feature extractor of FID on these images; "" for inception.
        licence: terms under which the data may be used.
        classes: number of classes of its labels; 0 without labels.
        shape: of one point: a request that does not fit it is refused before the data are loaded; () if not known.
        known_density: whether the law it was drawn from is known.
        budget: configuration defaults that suit the data, by dotted key, as {"train.steps": 2400}.
    """

    kind: str = "vector"
    features: str = ""
    licence: str = ""
    classes: int = 0
    shape: Shape = ()
    known_density: bool = False
    budget: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def of_images(self) -> bool:
        """Whether its points are images."""
        return self.kind in ("image", "pair")


@dataclass(frozen=True)
class NetworkSpec(Spec):
    """A network shared by all methods of a run: factory(shape, **options) -> module, called as (t, x).

    Args:
        kinds: the kinds of data it accepts; with "pair" factory(shape, given=shape, **options) -> module, called as
            (t, x, given), given (n, channels, height, width) of any size.
        conditional: whether it takes classes: factory(shape, classes=k, **options) -> module, called as
            (t, x, labels) with labels (n,) from 0 to k, of which k means "no class".
        two_times: whether it takes a second time: factory(shape, times=2, **options) -> module, called as
            (t, x, r=r) or (t, x, labels, r=r) with r shaped as t; r = t where it is not given. What it adds starts at
            zero, so that the module starts as the one of one time.
        misfit: as of a method.
    """

    kinds: tuple[str, ...] = ("image", "vector")
    conditional: bool = False
    two_times: bool = False
    misfit: Callable[[Options, Shape], str] = fits_all


IMPOSSIBLE = "impossible"  # the family of a likelihood that is higher than the true density's

Better = Literal["lower", "higher", ""]
FLOOR = "-floor"  # ends the name of the number that a perfect model would get


@dataclass(frozen=True)
class Number:
    """A number that a metric gives, and how it is shown.

    Args:
        name: of the number, as `MetricValue` has it.
        label: in the head of its column; "" for the name.
        unit: as "nats"; "" for a pure number. A value that has a unit of its own keeps it.
        decimals: in text tables.
        better: the direction by which rows are ranked; "" where neither is better: such a number has no ranks.
        headline: whether a text table shows it unasked.
        floor: what the number of the same name and "-floor" is measured on; "" where the metric gives none.
    """

    name: str
    label: str = ""
    unit: str = ""
    decimals: int = 3
    better: Better = ""
    headline: bool = True
    floor: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name)


@dataclass(frozen=True)
class MetricSpec(Spec):
    """A number of the table.

    Args:
        kinds: the kinds of data it measures.
        samples: whether it looks at generated samples (and so depends on the sampler).
        likelihood: the families of likelihood of which the method must have one, where it needs any.
        provides: what the method must provide, as "velocity"; "" for nothing.
        known_density: whether the density of the data must be known.
        default: whether it is computed when no metrics are named.
        package: that it imports and an installation may lack; who names the metric is told before anything is trained.
        snapshots: whether it looks at the weights kept during training (`fmbench run --snapshots`).
        numbers: those that it gives, and how each is shown; others stand under their own names, unranked.
        side: pixels that a side of an image must have at least.
    """

    kinds: tuple[str, ...] = ("image", "vector")
    samples: bool = False
    likelihood: tuple[str, ...] = ()
    provides: str = ""
    known_density: bool = False
    default: bool = True
    package: str = ""
    snapshots: bool = False
    numbers: tuple[Number, ...] = ()
    side: int = 0

    def number(self, name: str) -> Number | None:
        """What the spec says of a number, or of the number that a floor belongs to; None if nothing."""
        return next((declared for declared in self.numbers if declared.name == name.removesuffix(FLOOR)), None)

    def measures(self, dataset: DatasetSpec) -> bool:
        """Whether this number exists on this data."""
        known = dataset.known_density or not self.known_density
        return dataset.kind in self.kinds and known and all(side >= self.side for side in dataset.shape[1:])

    def applies(self, method: MethodSpec) -> bool:
        """Whether this number exists for this method."""
        likelihood = not self.likelihood or bool(set(self.likelihood) & set(method.likelihoods))
        return likelihood and (not self.provides or self.provides in method.provides)


Needs = Literal["velocity", "score", "data"]
SAMPLER_KEYS = ("name", "steps", "options", "guidance", "rtol", "atol", "batch_size", "samples", "draws")
"""The keys of the section `sampler` that are no sampler's own."""
ZERO_IS_DEFAULT = ("corrections", "snr")
"""Options of samplers of which records have a zero where a sampler has none."""


@dataclass(frozen=True)
class SamplerSpec(Spec):
    """A sampler: factory(method, x0, settings, generator) -> x1.

    x0 and x1 are (n, *shape), float64; `settings` is an `fmbench.api.Sampler`, whose `options` hold the sampler's own;
    all randomness comes from the generator. Every call of the method's network is counted.

    Args:
        needs: what a method must provide for it: "velocity", "score" or "data".
        steps: the default number of steps; 0 where it chooses its own, by settings.rtol and settings.atol.
    """

    needs: Needs = "velocity"
    steps: int = 0

    @property
    def adaptive(self) -> bool:
        """Whether it chooses its own steps."""
        return self.steps == 0


@dataclass(frozen=True)
class ExtractorSpec(Spec):
    """A feature extractor: frozen weights from images to vectors; factory(device) -> metrics.extractors.Extractor.

    Args:
        sha256: of the weights; a file with another digest is refused.
        dimension: of the features.
    """

    sha256: str = ""
    dimension: int = 0
