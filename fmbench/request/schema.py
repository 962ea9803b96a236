"""What is asked: an experiment as YAML and overrides give it, and the single runs that it resolves to.

Precedence: built-in defaults < the dataset's budget < the method's < the configuration file < `--set key=value`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fmbench.registry.specs import Scalar

PROTOCOL = 1  # raised whenever the meaning of a number changes
ALWAYS_RECORDED = {"corrections": 0, "snr": 0.0}  # of a sampler, also where it makes no Langevin steps
DEFAULT_SLUG = "default"  # in the names of folders: nothing differs from the defaults


class Section(BaseModel):
    """A part of a configuration: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Precision = Literal["float32", "tf32", "bf16-mixed"]
UNSAID = {"precision": "float32", "compile": False, "flips": False}  # of a training, by a record without the key


class Train(Section):
    """The training budget and optimiser, the same for every method of a comparison."""

    steps: int = Field(2400, ge=1, description="optimiser steps")
    batch_size: int = Field(256, ge=1, description="images or points a step")
    lr: float = Field(2e-3, gt=0, description="peak learning rate (Adam)")
    warmup: int = Field(100, ge=0, description="steps of linear learning-rate warm-up")
    decay: Literal["cosine", "linear", "constant"] = Field("cosine", description="learning rate after the warm-up")
    beta1: float = Field(0.9, ge=0, lt=1, description="Adam's first decay rate")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's second decay rate")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay (AdamW)")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the weight average that is scored")
    precision: Precision = Field("float32", description="of products while training; weights and EMA stay float32")
    compile: bool = Field(default=False, description="whether networks are compiled (torch.compile) for training")
    flips: bool = Field(
        default=False, description="whether each image is mirrored, left to right, with probability 1/2"
    )
    conditional: bool = Field(default=False, description="whether to train on the classes of the data")
    label_dropout: float = Field(0.1, gt=0, lt=1, description="share of labels hidden from a conditional model")
    devices: int = Field(1, ge=1, exclude=True, description="that share each batch; no part of a run's identity")

    @model_serializer(mode="wrap")
    def _recorded(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is as in requests from before there was anything else, which so keep their id."""
        return {key: value for key, value in handler(self).items() if UNSAID.get(key, ...) != value}


class Sampler(Section):
    """How samples are drawn. Adaptive solvers read rtol and atol, fixed-step ones read steps.

    A sampler's own options are keys beside these, in configurations and in records alike: {"name": "pc", "snr": 0.16}.
    """

    name: str = Field("dopri5", description="a solver, or 'native' for the method's own")
    steps: int = Field(0, ge=0, description="steps of a fixed-step sampler; 0: its own default")
    options: dict[str, Scalar] = Field(
        default_factory=dict, title="OPTION", description="the sampler's own; `fmbench info pc` has those of pc"
    )
    guidance: float = Field(1.0, ge=0, description="classifier-free guidance of a conditional model; 1: none")
    rtol: float = Field(1e-5, gt=0, description="relative tolerance")
    atol: float = Field(1e-5, gt=0, description="absolute tolerance")
    batch_size: int = Field(256, ge=1, description="samples solved together; adaptive steps depend on it")
    samples: int = Field(10_000, ge=2, description="samples in a set")
    draws: int = Field(3, ge=1, description="sets, each of its own noise; a number of samples is their mean")

    @classmethod
    def common_keys(cls) -> set[str]:
        """The keys that every sampler has."""
        return {*cls.model_fields} - {"options"}

    def with_default(self, **options: Scalar) -> Sampler:
        """The same with these options where it has none of the name."""
        return self.model_copy(update={"options": {**options, **self.options}})

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Take the keys that are not every sampler's for options; zeros that only records have mean nothing."""
        if not isinstance(given.get("options", {}), Mapping):
            return given  # an error of the field
        known = {key: value for key, value in given.items() if key in cls.common_keys()}
        own = {**given.get("options", {}), **{key: given[key] for key in given if key not in cls.model_fields}}
        zeros = {key for key in own.keys() & ALWAYS_RECORDED.keys() if re.fullmatch(r"0+(\.0*)?", str(own[key]))}
        return {**known, "options": {key: value for key, value in own.items() if key not in zeros}}

    @model_serializer(mode="wrap")
    def _spread(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the options beside the other keys."""
        plain = handler(self)
        own = {**ALWAYS_RECORDED, **plain.pop("options")}
        first = {"name": plain.pop("name"), "steps": plain.pop("steps")}
        return {**first, **{key: own.pop(key) for key in ALWAYS_RECORDED}, **plain, **own}


class Component(Section):
    """A plugin by name, with every option resolved."""

    name: str
    options: dict[str, Scalar] = Field(default_factory=dict)


class Budget(Section):
    """When training ends, where it is not after train.steps: exactly one of these.

    What a method does before its first step is charged to it; its teacher has half.
    """

    seconds: float | None = Field(default=None, gt=0, description="that training takes, of the wall clock")
    flops: float | None = Field(
        default=None, gt=0, description="floating-point operations of the steps, by torch's counter"
    )

    def half(self) -> Budget:
        """The share of a teacher."""
        return Budget(seconds=self.seconds and self.seconds / 2, flops=self.flops and self.flops / 2)

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class TrainingRequest(Section):
    """Everything that decides which weights come out: the identity of a run.

    Under a `budget` train.steps means nothing.
    """

    protocol: int = PROTOCOL
    dataset: Component
    method: Component
    network: Component
    train: Train
    budget: Budget | None = None
    seed: int = Field(0, ge=0)

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a budget that is not there: requests from before there were any keep their id."""
        return {key: value for key, value in handler(self).items() if key != "budget" or value is not None}

    @property
    def id(self) -> str:
        """Hash of the whole request, seed included."""
        return digest(self.model_dump())

    @property
    def config_id(self) -> str:
        """Hash of the request without its seed: what the seeds of one configuration share."""
        return digest(self.model_dump(exclude={"seed"}))


class EvaluationRequest(Section):
    """Everything that decides which numbers are measured on given weights.

    Args:
        sampler: how samples are drawn.
        metrics: the options of each metric, by name.
        sampled: which of them look at samples, and so depend on the sampler.
        inapplicable: metrics asked for that do not exist for the method, as a likelihood where it has none.
    """

    sampler: Sampler
    metrics: dict[str, dict[str, Scalar]]
    sampled: tuple[str, ...] = ()
    inapplicable: tuple[str, ...] = ()

    def protocol(self, metric: str) -> dict[str, Any]:
        """What a metric's numbers depend on, besides the weights: two numbers compare only if this is equal."""
        sampler = {"sampler": self.sampler.model_dump()} if metric in self.sampled else {}
        return {**sampler, **self.metrics[metric]}


class RunRequest(Section):
    """One cell of the grid.

    Args:
        training: the identity of the run.
        evaluation: what to measure on it.
        overrides: how the training differs from the defaults for its dataset, by dotted key.
        evaluation_overrides: how the evaluation does.
        family: the method's, as "flow matching".
    """

    training: TrainingRequest
    evaluation: EvaluationRequest
    overrides: dict[str, Scalar] = Field(default_factory=dict)
    evaluation_overrides: dict[str, Scalar] = Field(default_factory=dict)
    family: str = ""

    @property
    def slug(self) -> str:
        """The overrides in a form fit for a folder's name."""
        return slug_of(self.overrides) or DEFAULT_SLUG


def slug_of(overrides: Mapping[str, Scalar]) -> str:
    """Overrides in a form fit for a file's name; "" for none."""
    text = "-".join(f"{key.rpartition('.')[2]}={value}" for key, value in overrides.items())
    return re.sub(r"[^A-Za-z0-9_.=+-]", "_", text)[:48]


def label_of(overrides: Mapping[str, Scalar]) -> str:
    """A name for a file of what was measured so: readable, and its own for each mapping; "" for no overrides."""
    return f"{slug_of(dict(sorted(overrides.items())))}-{digest(overrides)[:6]}" if overrides else ""


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces, no infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"lr": 1}} -> {"train.lr": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def difference(value: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the flattened `value` that the flattened `reference` lacks or has otherwise."""
    base = flatten(reference)
    return {key: item for key, item in flatten(value).items() if base.get(key, ...) != item}
