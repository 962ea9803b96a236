"""A dataset that is not what its spec and its transform say is refused, by its name and the field that is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fmbench.api import Dataset, DatasetSpec, Density, Levels, Standardise
from fmbench.data.base import Transform
from fmbench.data.checks import check, integral
from fmbench.errors import ContractError
from fmbench.registry.discovery import load_plugins

IMAGE = DatasetSpec("mine", "there:mine", kind="image")
VECTOR = DatasetSpec("mine", "there:mine", kind="vector")
PAIR = DatasetSpec("mine", "there:mine", kind="pair")
LABELLED = replace(IMAGE, classes=10)


def levels(n=120, shape=(1, 4, 4), most=16):
    draw = torch.randint(0, most + 1, (n, *shape), generator=torch.Generator().manual_seed(0))
    return draw.to(torch.uint8)


def images(x=None, **fields):
    x = levels() if x is None else x
    return Dataset(**{"name": "mine", "train": x[:100], "test": x[100:], "transform": Levels(17), **fields})


def halved(raw):
    """Every other pixel."""
    return raw[:, :, ::2, ::2].float()


def points(**fields):
    x = torch.randn(1200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    transform = Standardise((0.0, 0.0, 0.0), 1.0)
    return Dataset(**{"name": "mine", "train": x[:1000], "test": x[1000:], "transform": transform, **fields})


def with_nan(field):
    broken = getattr(points(), field).clone()
    broken[17, 1] = math.nan
    return points(**{field: broken})


def labels(of=lambda n: torch.arange(n) % 10, **fields):
    return images(**{"train_labels": of(100), "test_labels": of(20), **fields})


WRONG = {
    "arrays": (images(levels().numpy()), IMAGE, "train is a numpy.ndarray, not a torch.Tensor"),
    "16 bits": (images(levels().to(torch.int16)), IMAGE, "train is of torch.int16: levels"),
    "booleans": (images(levels() > 3), IMAGE, "train is of torch.bool"),
    "half precision": (images(levels().half()), IMAGE, "train is of torch.float16"),
    "floats under Levels": (images(levels() / 16.0), IMAGE, "it is no transform of such data"),
    "integers under Standardise": (
        images(transform=Standardise((0.0,), 1.0)),
        IMAGE,
        "train has torch.uint8 of shape (1, 4, 4), and Standardise(shift=(0.0,), scale=1.0) decodes it to",
    ),
    "levels too high": (
        images(levels(most=255)),
        IMAGE,
        "train has values from 0 to 255, and Levels(levels=17) gives back values from 0 to 16",
    ),
    "one level too high, far from the start": (
        images(torch.cat([levels(90, most=15), torch.full((10, 1, 4, 4), 17, dtype=torch.uint8), levels(20)])),
        IMAGE,
        "decode(encode(x)) must be x",
    ),
    "more than 256 levels": (
        images(levels().to(torch.int32), transform=Levels(4096)),
        IMAGE,
        "torch.int32",
    ),
    "pairs without what is given": (images(), PAIR, "given is missing, and the spec says kind='pair'"),
    "images with something given": (images(given=halved), IMAGE, "given is there, and the spec says kind='image'"),
    "given in float64": (
        images(given=lambda raw: halved(raw).double()),
        PAIR,
        "given makes torch.float64 of shape (2, 1, 2, 2) of 2 points: it must be torch.float32",
    ),
    "one given for all": (images(given=lambda raw: halved(raw)[:1]), PAIR, "given makes torch.float32 of shape (1, 1,"),
    "nan in train": (with_nan("train"), VECTOR, "train has NaN or infinity, first in point 17"),
    "nan in test": (with_nan("test"), VECTOR, "test has NaN or infinity, first in point 17"),
    "no held-out points": (images(test=levels()[:0]), IMAGE, "test has 0 points"),
    "one held-out point": (images(test=levels()[:1]), IMAGE, "test has 1 points of 16 coordinates: at least 2"),
    "no coordinates": (points(train=torch.zeros(9, 0)), VECTOR, "train has 9 points of 0 coordinates"),
    "channels last": (
        images(levels(shape=(6, 5, 3))),
        IMAGE,
        "train has shape (100, 6, 5, 3), which looks like (n, height, width, channels)",
    ),
    "no channels": (
        images(levels()[:, 0]),
        IMAGE,
        "train has shape (100, 4, 4): image data are (n, channels",
    ),
    "images as vectors": (images(), VECTOR, "train has shape (100, 1, 4, 4): vector data are (n, d)"),
    "splits of other shapes": (
        images(test=levels(shape=(1, 4, 5))),
        IMAGE,
        "test has torch.uint8 of shape (1, 4, 5), and train has torch.uint8 of shape (1, 4, 4)",
    ),
    "splits of other dtypes": (points(test=points().test.float()), VECTOR, "test has torch.float32 of shape"),
    "no labels": (images(), LABELLED, "train_labels are missing, and the spec says classes=10"),
    "labels that are floats": (
        labels(lambda n: torch.zeros(n)),
        LABELLED,
        "train_labels are torch.float32",
    ),
    "labels that are a list": (
        labels(lambda n: [0] * n),
        LABELLED,
        "train_labels are a list",
    ),
    "labels of other points": (
        labels(test_labels=torch.zeros(3).long()),
        LABELLED,
        "test_labels are torch.int64 of sh",
    ),
    "labels too high": (
        labels(lambda n: torch.arange(n) % 12),
        LABELLED,
        "train_labels go from 0 to 11",
    ),
    "labels below 0": (labels(lambda n: torch.arange(n) % 10 - 1), LABELLED, "train_labels go from -1 to 8"),
    "no dataset": ("data", IMAGE, "its factory gave a str"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_with_the_datasets_name_and_the_field(kind):
    dataset, spec, text = WRONG[kind]
    with pytest.raises(ContractError) as caught:
        check(dataset, spec)
    assert str(caught.value).startswith("dataset 'mine': ")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["digits", "8gaussians", "checkerboard", "moons", "gaussian-2d"])
def test_the_shipped_datasets_pass(name):
    spec = load_plugins(environ={}).datasets.get(name)
    dataset = spec.load()()
    assert check(dataset, spec) is dataset


@pytest.mark.parametrize(
    ("dataset", "spec"),
    [
        (images(), IMAGE),
        (labels(), LABELLED),
        (labels(test_labels=None), LABELLED),
        (points(), VECTOR),
        (images(levels(shape=(3, 6, 10))), IMAGE),
        (images(levels(shape=(6, 5, 3))[:, :, :, :2]), IMAGE),
        (images(levels() / 17.0, transform=Standardise((0.5,), 0.3)), IMAGE),
        (images(torch.zeros(120, 1, 4, 4, dtype=torch.uint8)), IMAGE),
        (images(levels(shape=(1, 28, 28), most=255), transform=Levels(256)), IMAGE),
        (points(train=points().train.float(), test=points().test.float()), VECTOR),
    ],
)
def test_sound_data_of_other_kinds_pass(dataset, spec):
    assert check(dataset, spec) is dataset


class Stretch(Transform):
    """x = raw * factors, one for each coordinate; it states a Jacobian."""

    def __init__(self, factors, stated):
        self.factors, self.stated = torch.tensor(factors, dtype=torch.float64), stated

    def encode(self, raw, generator, dtype=torch.float64):
        del generator
        return (raw.double() * self.factors).to(dtype)

    def decode(self, x):
        return x / self.factors

    def log_jacobian(self, dimension):
        del dimension
        return self.stated


class TestTheJacobian:
    def test_one_that_differs_from_finite_differences_is_refused(self):
        right = math.log(2 * 3 * 0.5)
        assert check(points(transform=Stretch([2.0, 3.0, 0.5], right)), VECTOR)
        with pytest.raises(ContractError, match=r"transform says log_jacobian = -1\.09.* differences .* it is 1\.09"):
            check(points(transform=Stretch([2.0, 3.0, 0.5], -right)), VECTOR)

    def test_of_a_rotation_is_one_of_all_coordinates_together(self):
        turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]

        class Turned(Stretch):
            def encode(self, raw, generator, dtype=torch.float64):
                return (super().encode(raw, generator) @ turn).to(dtype)

            def decode(self, x):
                return super().decode(x @ turn.T)

        assert check(points(transform=Turned([2.0, 3.0, 0.5], math.log(3))), VECTOR)
        with pytest.raises(ContractError, match="log_jacobian"):
            check(points(transform=Turned([2.0, 3.0, 0.5], 0.0)), VECTOR)

    def test_of_many_coordinates_is_judged_by_some(self, monkeypatch):
        many = levels(shape=(1, 28, 28), most=255)
        assert check(images(many, transform=Levels(256)), IMAGE)
        monkeypatch.setattr(Levels, "log_jacobian", lambda self, d: d * math.log(1 / self.levels))
        with pytest.raises(ContractError, match="log_jacobian"):
            check(images(many, transform=Levels(256)), IMAGE)


class Normal(Density):
    """N(0, I), but for a mass and an entropy of one's choice."""

    def __init__(self, mass=1.0, more=0.0, inside=math.inf):
        self.mass, self.inside = mass, inside
        self.entropy = 1.5 * math.log(2 * math.pi * math.e) + more

    def sample(self, n, generator):
        return torch.randn(n, 3, generator=generator, dtype=torch.float64)

    def log_prob(self, x):
        inside = x.norm(dim=1) < self.inside
        value = -0.5 * x.square().sum(1) - 1.5 * math.log(2 * math.pi) + math.log(self.mass)
        return value.masked_fill(~inside, -math.inf)


class TestAKnownDensity:
    @pytest.mark.parametrize(
        ("density", "text"),
        [
            (Normal(mass=1.2), r"density has mass 1\.\d+ \+- 0\.0\d, not 1"),
            (Normal(more=0.5), r"density states entropy 4\.75682, and held-out points give 4\.\d+ \+- 0\.0\d"),
            (Normal(inside=2.0), r"density is zero or not finite at \d+ of 200 held-out points"),
        ],
    )
    def test_one_that_is_none_is_refused(self, density, text):
        with pytest.raises(ContractError, match=text):
            check(points(density=density), VECTOR)

    def test_a_right_one_passes(self):
        assert check(points(density=Normal()), replace(VECTOR, known_density=True))

    def test_one_that_is_promised_must_be_there(self):
        with pytest.raises(ContractError, match="density is missing, and the spec says known_density=True"):
            check(points(), replace(VECTOR, known_density=True))

    def test_the_integral_is_that_of_the_function(self):
        for mass in (0.5, 1.0, 2.0):
            value, error = integral(Normal(mass).log_prob, points().train)
            assert abs(value - mass) < 4 * error < 0.4


def test_pairs_with_what_is_given_pass():
    assert check(images(given=halved), PAIR).given_shape == (1, 2, 2)
    assert images().given_shape == ()
