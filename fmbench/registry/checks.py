"""Whether a spec is one that a run can be made of: asked once, when its plugin is loaded. Torch-free."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, get_args

from fmbench.registry.builtin.numbers import NUMBERS
from fmbench.registry.names import Registry
from fmbench.registry.specs import (
    SAMPLER_KEYS,
    ZERO_IS_DEFAULT,
    DatasetSpec,
    MethodSpec,
    MetricSpec,
    Needs,
    NetworkSpec,
    Option,
    SamplerSpec,
    Spec,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
FACTORY = re.compile(r"[\w.]+:\w+")
SHIPPED = ("fmbench.", "fmbench_plugins.")
KINDS = {"image", "vector", "pair"}
PROVIDES = set(get_args(Needs))
LIKELIHOODS = {"exact", "pf-ode", "truncated", "vlb"}


TRAIN_KEYS = {
    *("steps", "batch_size", "lr", "warmup", "decay", "beta1", "beta2", "weight_decay", "clip", "ema"),
    *("precision", "compile", "flips", "conditional", "label_dropout", "devices"),
}
"""The keys of the section `train`, whose schema takes too long to load."""


class Offered(Protocol):
    """The specs that there are to choose from."""

    methods: Registry[MethodSpec]
    samplers: Registry[SamplerSpec]
    metrics: Registry[MetricSpec]


class Fault(NamedTuple):
    """What is wrong with a spec: at which stage, and a sentence."""

    stage: str
    text: str


def fault_of(spec: Spec, kind: str) -> Fault | None:
    """The first thing that is wrong with a spec, or None.

    Names become folders and parts of comma-separated lists, so they are plain ones.

    Args:
        spec: as a plugin offers it.
        kind: of what, as "method".
    """
    if not isinstance(spec.name, str) or not NAME.fullmatch(spec.name):
        said = "up to 64 letters, digits, '.', '_', '+' and '-', beginning with a letter or digit"
        return Fault("name", f"{kind} {spec.name!r:.80} is no name: it must be {said}")
    for text in problems(spec):
        return Fault("spec", f"{kind} {spec.name!r}: {text}")
    return None


def problems(spec: Spec) -> Iterator[str]:
    """What is wrong with a spec besides its name."""
    if not isinstance(spec.factory, str) or not FACTORY.fullmatch(spec.factory):
        yield f"factory {spec.factory!r:.80} is not of the form 'package.module:Class'"
    for key, option in spec.options.items():
        yield from (f"option {key!r} {text}" for text in of_option(option, spec))
    if isinstance(spec, MethodSpec):
        yield from unknown("provides", spec.provides, PROVIDES)
        yield from unknown("likelihoods", spec.likelihoods, LIKELIHOODS)
        yield from unknown("native_options", spec.native_options.values(), set(spec.options))
    if isinstance(spec, MethodSpec | NetworkSpec | MetricSpec):
        yield from unknown("kinds", spec.kinds, KINDS)
    if isinstance(spec, DatasetSpec):
        yield from unknown("kind", [spec.kind], KINDS)
        if spec.classes < 0:
            yield f"classes = {spec.classes}: must not be negative"
    if isinstance(spec, MethodSpec | DatasetSpec):
        yield from (f"budget key {key!r} is not of the form 'section.key'" for key in spec.budget if "." not in key)
    if isinstance(spec, SamplerSpec):
        yield from of_sampler(spec)
    if isinstance(spec, MetricSpec):
        yield from unknown("likelihood", spec.likelihood, LIKELIHOODS)
        yield from unknown("provides", [spec.provides] if spec.provides else [], PROVIDES)
        ours = spec.factory.startswith(SHIPPED)
        taken = [number.name for number in spec.numbers if number.name in NUMBERS and not ours]
        yield from (f"number {name!r} is fmbench's own; give yours another name" for name in taken)


def of_sampler(spec: SamplerSpec) -> Iterator[str]:
    """What of a sampler cannot be told from what all samplers have."""
    if spec.name == "native":
        yield "the word means a method's own sampler; choose another name"
    yield from unknown("needs", [spec.needs], PROVIDES)
    for key, option in spec.options.items():
        if key in SAMPLER_KEYS:
            yield f"sampler.{key} is every sampler's; give the option another name"
        if key in ZERO_IS_DEFAULT and not option.is_positive:
            yield f"sampler.{key} = 0 means the default; rename the option, or say gt=0"


def unmet(spec: MethodSpec | DatasetSpec, offered: Offered) -> Iterator[str]:
    """What of a spec belongs to none of the other specs; asked once all plugins are loaded, for one may come last."""
    sections = {"train", "sampler", "network", "options", *(metric.name for metric in offered.metrics)}
    for key in spec.budget:
        section, _, name = key.partition(".")
        known = {"train": TRAIN_KEYS, "sampler": sampler_keys(offered)}.get(section, {name})
        if section not in sections:
            yield f"budget key {key!r}: no section is called {section!r}"
        elif name not in known:
            yield f"budget key {key!r}: {section} has no {name!r}, but {', '.join(sorted(known))}"
    if isinstance(spec, DatasetSpec):
        return
    if spec.teacher and spec.teacher not in offered.methods:
        yield f"its teacher {spec.teacher!r} is not there"
    own = set(spec.native_options)
    if spec.native_sampler not in offered.samplers:
        if own:
            yield f"native_options = {sorted(own)} are of no sampler: {spec.native_sampler!r} is the method's own code"
        return
    sampler = offered.samplers.get(spec.native_sampler)
    if sampler.needs not in spec.provides:
        yield f"native_sampler {sampler.name!r} needs {sampler.needs!r}, which it does not provide"
    yield from unknown("native_options", own, {"steps", *sampler.options})


def sampler_keys(offered: Offered) -> set[str]:
    """The keys of the section `sampler`."""
    return {*SAMPLER_KEYS, *(key for sampler in offered.samplers for key in sampler.options)}


def unknown(field: str, words: Iterable[str], known: set[str]) -> Iterator[str]:
    """The words of a field that mean nothing."""
    if isinstance(words, str):
        yield f"{field} = {words!r} must be a tuple of words, as ({words!r},)"
        return
    for word in words:
        if word not in known:
            yield f"{field} has {word!r}; known: {', '.join(sorted(known)) or 'none'}"


def of_option(option: Option, spec: Spec) -> Iterator[str]:
    """What is wrong with an option: its default must be a value that it accepts."""
    default = option.default
    if not isinstance(default, bool | int | float | str):
        yield f"has the default {default!r:.80}, which is neither a truth value, a number nor text"
        return
    if option.choices and default not in option.choices:
        yield f"has the default {default!r}, which is none of its choices"
    if option.above and option.above not in spec.options:
        yield f"must be above {option.above!r}, which is no option"
    if isinstance(default, int | float) and not within(option, float(default)):
        yield f"has the default {default!r}, which is not in its range"


def within(option: Option, value: float) -> bool:
    """Whether a number keeps the bounds of an option; pydantic, which checks other values, takes too long to load."""
    above = (option.gt is None or value > option.gt) and (option.ge is None or value >= option.ge)
    below = (option.lt is None or value < option.lt) and (option.le is None or value <= option.le)
    return math.isfinite(value) and above and below
