"""Whether a dataset is what its spec and its transform say: asked once, when a run has loaded it.

What a plugin brings is checked here, before anything is trained, so that no metric has to doubt it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from fmbench.data.base import Dataset, Density
from fmbench.errors import ContractError, found
from fmbench.registry.specs import DatasetSpec, Scalar

IMAGES = ("(n, channels, height, width)", 4)
RANKS = {"image": IMAGES, "pair": IMAGES, "vector": ("(n, d)", 2)}
CHANNELS = (1, 3, 4)  # of an image whose last dimension may be its first
LEAST = 2  # points of a split, for a spread
TRIED = 256  # points that are encoded and decoded
COORDINATES = 32  # in which the transform's Jacobian is differentiated
PER_DIMENSION = 1e-3  # nats that its logarithm may be off
PROPOSED = 2048  # points at which a density is integrated, and of the held-out ones that give its entropy
WIDTHS = (0.2, 1.0)  # of the kernels about the data that propose them, in standard deviations of the data
CENTRES = 256
UNSURE = 0.2  # standard error above which an integral says nothing
SURE = 6  # standard errors
ROUGH = 0.05  # of an integral


def load(spec: DatasetSpec, options: Mapping[str, Scalar]) -> Dataset:
    """A dataset with these options, when it is one that can be trained on and measured against.

    Raises:
        FmbenchError: it cannot be had, or see `check`.
    """
    return check(spec.load()(**options), spec)


def check(dataset: Any, spec: DatasetSpec) -> Dataset:
    """The dataset, when it is one that can be trained on and measured against.

    Raises:
        ContractError: a field has the wrong type, dtype, shape or values, or contradicts another or the spec.
    """
    if not isinstance(dataset, Dataset):
        raise ContractError(
            f"dataset {spec.name!r}: its factory gave a {type(dataset).__name__}, not a fmbench.api.Dataset"
        )
    for field, problem in problems(dataset, spec):
        raise ContractError(f"dataset {spec.name!r}: {field} {problem}")
    return dataset


def problems(dataset: Dataset, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """Each field that is wrong, and how; those that come first are what the later ones rely on."""
    for field in ("train", "test"):
        yield from of_split(field, getattr(dataset, field), spec)
    train, test = dataset.train, dataset.test
    if (test.shape[1:], test.dtype) != (train.shape[1:], train.dtype):
        yield "test", f"has {described(test)}, and train has {described(train)}: both splits must be alike"
    if spec.shape and dataset.shape != spec.shape:
        yield "train", f"has points of shape {dataset.shape}, and the spec says shape={spec.shape}"
    for field in ("train", "test"):
        yield from of_transform(field, getattr(dataset, field), dataset)
        yield from of_labels(f"{field}_labels", len(getattr(dataset, field)), dataset, spec)
    yield from of_jacobian(dataset)
    yield from of_given(dataset, spec)
    if spec.known_density and dataset.density is None:
        yield "density", "is missing, and the spec says known_density=True"
    if dataset.density is not None:
        yield from of_density(dataset.density, dataset)


def of_split(field: str, points: Any, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """Type, shape and values of a split."""
    if not isinstance(points, Tensor):
        yield field, f"is a {type(points).__module__}.{type(points).__name__}, not a torch.Tensor: use torch.as_tensor"
    shape, rank = RANKS[spec.kind]
    if points.ndim != rank:
        yield field, f"has shape {tuple(points.shape)}: {spec.kind} data are {shape}"
    if spec.of_images and points.shape[3] in CHANNELS and points.shape[1] not in CHANNELS:
        yield (
            field,
            f"has shape {tuple(points.shape)}, which looks like (n, height, width, channels): it must be {shape}",
        )
    if len(points) < LEAST or not points.numel():
        yield field, f"has {len(points)} points of {points[:1].numel()} coordinates: at least {LEAST} are needed"
    if points.dtype not in (torch.uint8, torch.float32, torch.float64):
        yield field, f"is of {points.dtype}: levels must be torch.uint8 and coordinates torch.float64"
    if points.is_floating_point() and not torch.isfinite(points).all():
        first = int((~torch.isfinite(points.flatten(1)).all(dim=1)).nonzero()[0])
        yield field, f"has NaN or infinity, first in point {first}"


def of_transform(field: str, points: Tensor, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Whether a few points, and those with the extreme values, come back from the space of the models."""
    flat = points.flatten(1)
    extreme = torch.stack([flat.amax(dim=1).argmax(), flat.amin(dim=1).argmin()])
    tried = torch.cat([points[:TRIED], points[extreme]])
    x = dataset.transform.encode(tried, torch.Generator().manual_seed(0))
    back = dataset.transform.decode(x)
    name, found = dataset.transform, described(tried)
    if back.is_floating_point() != points.is_floating_point() or back.shape != tried.shape:
        yield field, f"has {found}, and {name} decodes it to {described(back)}: it is no transform of such data"
    elif not torch.allclose(back.double(), tried.double(), rtol=1e-5, atol=1e-5 * float(tried.double().std())):
        yield (
            field,
            f"has values from {least_and_most(tried)}, and {name} gives back values from {least_and_most(back)}: "
            "decode(encode(x)) must be x",
        )
    bounds = dataset.transform.bounds
    if bounds is not None and not (bounds[0] <= x.min() and x.max() <= bounds[1]):
        yield field, f"is encoded by {name} to values from {least_and_most(x)}, outside its bounds {bounds}"


def of_labels(field: str, n: int, dataset: Dataset, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """Whether there are labels where the spec says so, each one of its classes."""
    labels = getattr(dataset, field)
    if labels is None:
        if spec.classes and field == "train_labels":
            yield field, f"are missing, and the spec says classes={spec.classes}"
        return
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (n,):
        yield field, f"are {found(labels)}: they must be torch.int64 of shape ({n},)"
    elif spec.classes and not (labels.min() >= 0 and labels.max() < spec.classes):
        yield (
            field,
            f"go from {least_and_most(labels)}: with classes={spec.classes} they go from 0 to {spec.classes - 1}",
        )


def of_given(dataset: Dataset, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """Whether there is something given beside each point where the spec says so, and of what form."""
    if (dataset.given is None) == (spec.kind == "pair"):
        yield "given", f"is {'missing' if dataset.given is None else 'there'}, and the spec says kind={spec.kind!r}"
    if dataset.given is None:
        return
    beside = dataset.given(dataset.train[:LEAST])
    if not isinstance(beside, Tensor) or beside.dtype != torch.float32 or beside.ndim != 4 or len(beside) != LEAST:
        yield "given", f"makes {found(beside)} of {LEAST} points: it must be torch.float32 of shape {IMAGES[0]}"


def of_jacobian(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Whether log_jacobian is that of encode, by finite differences between neighbouring levels or close points."""
    raw = dataset.train[:1]
    columns = range(min(dataset.dimension, COORDINATES))
    lowest = dataset.train.amin(dim=0, keepdim=True)
    start, step = (raw, 1e-3 * float(dataset.train.std())) if not dataset.discrete else (lowest.clamp(max=254), 1)
    if not step:
        return  # constant data tell nothing of their transform
    base = encoded(dataset, start)
    moved = torch.stack([encoded(dataset, shifted(start, i, step)) - base for i in columns]) / step
    if dataset.dimension == len(columns):
        found = float(torch.linalg.slogdet(moved).logabsdet)
    elif torch.count_nonzero(moved) == len(columns):  # coordinate by coordinate: those tried stand for the rest
        found = float(moved.abs().amax(dim=1).log().mean()) * dataset.dimension
    else:
        return
    said = dataset.transform.log_jacobian(dataset.dimension)
    if not abs(said - found) <= PER_DIMENSION * dataset.dimension:
        yield "transform", f"says log_jacobian = {said:.6g}, and by finite differences of encode it is {found:.6g}"


def encoded(dataset: Dataset, raw: Tensor) -> Tensor:
    """One point in the space of the models, by the same noise each time; (d,)."""
    return dataset.transform.encode(raw, torch.Generator().manual_seed(0)).flatten()


def shifted(raw: Tensor, coordinate: int, step: float) -> Tensor:
    """One point, further along a coordinate."""
    there = raw.clone()
    there.flatten()[coordinate] += step
    return there


def of_density(density: Density, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Whether the density has mass one, and gives the held-out points the entropy that it states."""
    points = dataset.test[:PROPOSED]
    log_p = density.log_prob(points)
    if log_p.shape != (len(points),):
        yield "density", f"gives log_prob of shape {tuple(log_p.shape)} for {len(points)} points"
    outside = int((~torch.isfinite(log_p)).sum())
    if outside:
        yield "density", f"is zero or not finite at {outside} of {len(points)} held-out points"
    mass, error = integral(density.log_prob, dataset.train)
    if error < UNSURE and abs(mass - 1) > max(SURE * error, ROUGH):
        yield "density", f"has mass {mass:.3g} +- {error:.1g}, not 1"
    entropy, error = -float(log_p.mean()), float(log_p.std()) / math.sqrt(len(log_p))
    if abs(entropy - density.entropy) > SURE * error + 1e-6:
        yield "density", f"states entropy {density.entropy:.6g}, and held-out points give {entropy:.6g} +- {error:.1g}"


def integral(log_prob: Callable[[Tensor], Tensor], data: Tensor) -> tuple[float, float]:
    """The integral of exp(log_prob), by importance sampling about the data, and its standard error.

    The proposal is an equal mixture of Gaussians of two widths about some of the points.
    """
    generator = torch.Generator().manual_seed(0)
    centres = data[torch.randperm(len(data), generator=generator)[:CENTRES]].double()
    widths = float(data.double().std(dim=0).square().mean().sqrt()) * torch.tensor(WIDTHS, dtype=torch.float64)
    who = torch.randint(len(centres), (PROPOSED,), generator=generator)
    width = widths[torch.arange(PROPOSED) % len(widths), None]
    x = centres[who] + width * torch.randn(PROPOSED, data.shape[1], generator=generator, dtype=torch.float64)
    exponents = -0.5 * torch.cdist(x, centres).square()[..., None] / widths.square()
    constant = data.shape[1] * torch.log(widths * math.sqrt(2 * math.pi)) + math.log(len(centres) * len(widths))
    log_q = torch.logsumexp((exponents - constant).flatten(1), dim=1)
    weights = torch.exp(log_prob(x) - log_q)
    return float(weights.mean()), float(weights.std()) / math.sqrt(PROPOSED)


def described(points: Tensor) -> str:
    """Its dtype and the shape of a point."""
    return f"{points.dtype} of shape {tuple(points.shape[1:])}"


def least_and_most(values: Tensor) -> str:
    """Its extremes."""
    return f"{values.min().item():g} to {values.max().item():g}"
