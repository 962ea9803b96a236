from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fmbench import paths
from fmbench.data.base import Dataset, Standardise
from fmbench.data.planar import Gaussian
from fmbench.errors import SolverError, Unavailable
from fmbench.methods.base import Method
from fmbench.methods.flow import FlowMethod
from fmbench.metrics.base import Evaluation
from fmbench.metrics.portrait import FRAMES, Portrait, Window
from fmbench.progress import Silent
from fmbench.registry.names import Registry
from fmbench.registry.specs import DatasetSpec, MethodSpec
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LogDensity
from fmbench.testing.oracles import GaussianLaw, oracle_method

SHIFT, SCALE = torch.tensor([0.5, -1.0], dtype=torch.float64), 2.0  # raw = SCALE x + SHIFT
FACTOR = torch.tensor([[1.0, 0.0], [0.8, 0.5]], dtype=torch.float64)
QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)  # a quarter turn to the left
FLOW = MethodSpec("turn", "x:Y")


class Turn(FlowMethod):
    """A correlated Gaussian turned by a right angle in a time of two."""

    interval = (0.0, 2.0)

    def __init__(self):
        super().__init__(task=None)

    def loss(self, batch):
        raise NotImplementedError

    def velocity(self, t, x):
        return math.pi / 4 * x @ QUARTER.T

    def source(self, n, generator):
        return torch.randn(n, 2, generator=generator, dtype=torch.float64) @ FACTOR.T

    def source_log_prob(self, x):
        return torch.distributions.MultivariateNormal(torch.zeros(2).double(), scale_tril=FACTOR).log_prob(x)


class Drawn(Method):
    """No flow: points of the law that Turn ends on, and their density."""

    def __init__(self):
        super().__init__(task=None)

    def loss(self, batch):
        raise NotImplementedError

    def sample(self, n, settings, generator):
        return torch.randn(n, 2, generator=generator, dtype=torch.float64) @ (QUARTER @ FACTOR).T

    def log_prob(self, x, settings, generator):
        return LogDensity(LAW.log_prob(SCALE * x + SHIFT) + 2 * math.log(SCALE))


LAW = Gaussian(SHIFT, torch.eye(2).double())  # its covariance in raw coordinates follows
LAW.factor = torch.linalg.cholesky(SCALE**2 * QUARTER @ FACTOR @ FACTOR.T @ QUARTER.T)


def evaluation_of(method, spec=FLOW, density=LAW, shape=2):
    train = LAW.sample(20_000, torch.Generator().manual_seed(1))
    if shape != 2:
        train = torch.zeros(100, shape, dtype=torch.float64)
    data = Dataset("turned", train, train[:1000], Standardise(tuple(SHIFT.tolist()), SCALE), density=density)
    cpu = torch.device("cpu")
    return Evaluation(
        method, spec, data, DatasetSpec("turned", "x:y"), Registry("extractor"), Sampler(), 0, cpu, Silent()
    )


def portrait(*said, **more):
    evaluation = evaluation_of(*said, **more)
    values = {value.name: value for value in Portrait().measure(evaluation)}
    return values, evaluation.kept()


def test_points_and_field_of_a_rotation_are_its_own_in_raw_coordinates():
    _, kept = portrait(Turn())
    points = (kept["points"].astype(float) - SHIFT.numpy()) / SCALE
    assert points.shape == (FRAMES, 400, 2)
    for frame, found in enumerate(points):
        angle = math.pi / 2 * frame / (FRAMES - 1)
        turn = math.cos(angle) * np.eye(2) + math.sin(angle) * QUARTER.numpy()
        np.testing.assert_allclose(found, points[0] @ turn.T, atol=5e-3)  # half precision
    low, high = kept["window"].T
    centres = low + (np.stack(np.meshgrid(range(16), range(16)), -1) + 0.5) * (high - low) / 16
    wanted = math.pi / 2 * (centres - SHIFT.numpy()) @ QUARTER.numpy().T  # a unit of time is the whole interval
    assert kept["field"].shape == (4, 16, 16, 2)
    for found in kept["field"]:
        np.testing.assert_allclose(found.astype(float), wanted, rtol=2e-3, atol=2e-3)


def test_the_density_is_the_truth_and_integrates_to_one():
    values, kept = portrait(Turn())
    clear = kept["truth"] > kept["truth"].max() - 10
    np.testing.assert_allclose(kept["density"][clear], kept["truth"][clear], atol=0.02)
    assert values["mass"].value == pytest.approx(1, abs=2e-3)
    assert values["mass"].family == "pf-ode"
    assert values["mass-floor"].value == pytest.approx(1, abs=1e-3)
    assert 0.995 < values["inside"].value <= 1
    assert 0.995 < values["inside-floor"].value <= 1


def test_the_density_of_an_oracle_is_that_of_its_data():
    model = GaussianLaw(torch.zeros(2).double(), LAW.factor @ LAW.factor.T / SCALE**2)
    values, kept = portrait(oracle_method(model, paths.CondOT()))
    clear = kept["truth"] > kept["truth"].max() - 8
    np.testing.assert_allclose(kept["density"][clear], kept["truth"][clear], atol=0.02)
    ends = torch.from_numpy(kept["points"][-1].astype(float))
    starts = torch.from_numpy((kept["points"][0].astype(float) - SHIFT.numpy()) / SCALE)
    root = model.axes @ torch.diag(model.variances.sqrt()) @ model.axes.T  # the map from N(0, I) along this path
    torch.testing.assert_close(ends, SCALE * starts @ root.T + SHIFT, rtol=0, atol=0.02)
    assert values["mass"].value == pytest.approx(1, abs=2e-3)


def test_straightness_of_a_quarter_turn_is_what_its_arc_says():
    """The path's energy is (pi r / 2)^2, the chord squared 2 r^2 (Liu et al. 2023: the energy above that of chords)."""
    values, kept = portrait(Turn())
    squares = (((kept["points"][0].astype(float) - SHIFT.numpy()) / SCALE) ** 2).sum(1)
    assert values["straightness"].value == pytest.approx((math.pi**2 / 4 - 2) * squares.mean(), rel=2e-3)
    assert values["straightness"].error == pytest.approx((math.pi**2 / 4 - 2) * squares.std() / 20, rel=1e-2)


def test_a_translation_is_straight_however_fast():
    method = Turn()
    method.velocity = lambda _, x: torch.tensor([3.0, -1.0]).double().expand_as(x)
    values, _ = portrait(method, MethodSpec("shift", "x:Y", likelihoods=()))
    assert abs(values["straightness"].value) < 1e-6
    assert values["straightness"].details["displacement_squared"] == pytest.approx(40)


def test_what_is_no_flow_has_samples_and_where_there_is_one_a_density():
    values, kept = portrait(Drawn(), MethodSpec("drawn", "x:Y", provides=(), likelihoods=("exact",)))
    assert kept.keys() == {"window", "data", "truth", "density", "points"}
    assert kept["points"].shape == (1, 400, 2)
    np.testing.assert_array_equal(kept["density"], kept["truth"])
    assert values.keys() == {"inside", "inside-floor", "mass", "mass-floor"}
    values, kept = portrait(Drawn(), MethodSpec("drawn", "x:Y", provides=(), likelihoods=("vlb",)), density=None)
    assert kept.keys() == {"window", "data", "points"}
    assert values.keys() == {"inside", "inside-floor"}


def test_a_flow_with_coordinates_beside_the_data_has_paths_of_the_data_and_no_field():
    method = Turn()
    method.source = lambda n, _: torch.zeros(n, 3, dtype=torch.float64)
    method.velocity = lambda _, x: torch.ones_like(x)
    values, kept = portrait(method, MethodSpec("more", "x:Y", likelihoods=("vlb",)))
    assert kept["points"].shape == (FRAMES, 400, 2)
    assert "field" not in kept
    assert values["straightness"].details["displacement_squared"] == pytest.approx(8)


def test_a_part_that_cannot_be_solved_is_missing_and_the_others_stand():
    method = Turn()

    def fails(*_):
        raise SolverError("underflow in dt")

    method.log_prob = fails
    values, kept = portrait(method)
    assert (values["mass"].value, values["mass"].reason) == (None, "underflow in dt")
    assert values["straightness"].value > 0
    assert {"points", "field", "truth"} <= kept.keys()
    method = Turn()
    method.velocity = lambda _, x: x * torch.inf
    values, kept = portrait(method, MethodSpec("wild", "x:Y", likelihoods=()))
    assert "dopri5" in values["straightness"].reason
    assert "points" not in kept


def test_points_in_space_have_none():
    with pytest.raises(Unavailable, match="points in the plane"):
        Portrait().measure(evaluation_of(Turn(), shape=3))


def test_the_window_is_a_square_around_the_data():
    points = torch.rand(10_000, 2, generator=torch.Generator().manual_seed(0)).double() * torch.tensor([4.0, 1.0])
    window = Window.around(points)
    assert window.side == pytest.approx(4 * 1.3, rel=1e-2)
    torch.testing.assert_close(window.low + window.side / 2, torch.tensor([2.0, 0.5]).double(), atol=0.02, rtol=0)
    first, second = window.centres(64)[:2]
    torch.testing.assert_close(first, window.low + window.side / 128)
    torch.testing.assert_close(second - first, torch.tensor([window.side / 64, 0.0]).double())


def test_what_is_kept_is_small():
    _, kept = portrait(Turn())
    assert sum(array.nbytes for array in kept.values()) < 70_000
