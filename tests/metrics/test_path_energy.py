from __future__ import annotations

import pytest
import torch

from fmbench import paths
from fmbench.data.base import Dataset, Standardise
from fmbench.errors import SolverError
from fmbench.methods.flow import FlowMethod
from fmbench.metrics.base import Evaluation
from fmbench.metrics.path_energy import PathEnergy, path_energy, spread
from fmbench.progress import Silent
from fmbench.registry.names import Registry
from fmbench.registry.specs import DatasetSpec, MethodSpec
from fmbench.request.schema import Sampler
from fmbench.testing.oracles import GaussianLaw, oracle_method

# With a diagonal covariance every path of Gaussians is a map x -> m(t) + s(t) x, coordinate by coordinate.
MEAN = torch.tensor([1.5, -0.5], dtype=torch.float64)
STD = torch.tensor([0.4, 1.2], dtype=torch.float64)
LAW = GaussianLaw(MEAN, torch.diag(STD**2))
W2_SQUARED = MEAN.square().sum().item() + (1 - STD).square().sum().item()


class Straight(FlowMethod):
    """The displacement map from N(0, I) to LAW in a time of `duration`: the optimal transport."""

    def __init__(self, duration):
        super().__init__(task=None)
        self.interval = (0.0, duration)

    def loss(self, batch):
        raise NotImplementedError

    def velocity(self, t, x):
        s = t / self.interval[1]
        start = (x - s * MEAN) / (1 - s + s * STD)
        return (MEAN + (STD - 1) * start) / self.interval[1]

    def source(self, n, generator):
        return torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def source_log_prob(self, x):
        raise NotImplementedError


@pytest.mark.parametrize("duration", [1.0, 0.25])
def test_straight_paths_have_the_energy_of_their_displacements_however_fast(generator, duration):
    """int |v|^2 dt of a straight line at constant speed is its squared length, over a unit of time."""
    method = Straight(duration)
    x0 = method.source(500, generator)
    displacement = MEAN + (STD - 1) * x0
    torch.testing.assert_close(path_energy(method, x0, 2), displacement.square().sum(1), rtol=1e-4, atol=1e-5)


def test_the_energy_of_curved_paths_is_that_of_a_fine_quadrature(generator):
    """On a Gaussian path with diagonal covariance x_t = alpha mean + sqrt(alpha^2 var + sigma^2) x_0."""
    method = oracle_method(LAW, paths.Trig())
    x0 = torch.randn(200, 2, generator=generator, dtype=torch.float64)
    t = torch.linspace(*method.interval, 4001, dtype=torch.float64)
    c = method.path.at(t)
    std = (c.alpha[:, None] ** 2 * STD**2 + c.sigma[:, None] ** 2).sqrt()
    d_std = (c.alpha * c.d_alpha)[:, None] * STD**2 / std + (c.sigma * c.d_sigma)[:, None] / std
    speed = c.d_alpha[:, None, None] * MEAN + d_std[:, None] * x0
    expected = torch.trapezoid(speed.square().sum(-1), t, dim=0)
    torch.testing.assert_close(path_energy(method, x0, 2), expected, rtol=1e-4, atol=1e-4)


def test_coordinates_beside_the_data_do_not_count(generator):
    method = Straight(1.0)
    x0 = method.source(50, generator)
    displacement = MEAN[0] + (STD[0] - 1) * x0[:, 0]
    torch.testing.assert_close(path_energy(method, x0, 1), displacement.square(), rtol=1e-4, atol=1e-5)


@pytest.fixture
def measure():
    """The metric on a method, for data drawn from LAW."""
    draw = torch.Generator().manual_seed(1)
    train = MEAN + STD * torch.randn(100_000, 2, generator=draw, dtype=torch.float64)
    data = Dataset("gaussian", train, train[:10], Standardise((0.0, 0.0), 1.0))

    def of(method):
        cpu = torch.device("cpu")
        spec = MethodSpec("oracle", "x:Y")
        known = Evaluation(
            method, spec, data, DatasetSpec("gaussian", "x:y"), Registry("extractor"), Sampler(), 0, cpu, Silent()
        )
        (value,) = PathEnergy(n=600).measure(known)
        return value

    return of


def test_optimal_transport_has_no_excess_and_other_paths_have(measure):
    """Tong et al. 2024, section 5.1: NPE is 0 for the displacement map only."""
    straight, curved = measure(Straight(1.0)), measure(oracle_method(LAW, paths.VP()))
    assert straight.details["w2_squared"] == pytest.approx(W2_SQUARED, rel=0.08)
    assert straight.details["path_energy"] == pytest.approx(W2_SQUARED, rel=0.08)
    assert straight.value < 0.08
    assert curved.value > 0.2
    assert curved.details["w2_squared"] == straight.details["w2_squared"]  # one source, one seed


def test_a_wide_source_is_measured_in_its_own_scale(measure):
    """VE's source is N(0, sigma^2 I): paths shrink almost straight to the data, at a speed that varies."""
    path = paths.VE()
    value = measure(oracle_method(LAW, path))
    sigma = float(path.at(torch.tensor(path.t_min, dtype=torch.float64)).sigma)
    expected = MEAN.square().sum().item() + (sigma - STD).square().sum().item()
    assert value.details["w2_squared"] == pytest.approx(expected, rel=0.08)
    assert value.value > 0.2


def test_a_velocity_that_blows_up_is_an_error():
    method = Straight(1.0)
    method.velocity = lambda _, x: x * torch.inf
    with pytest.raises(SolverError):
        path_energy(method, torch.ones(3, 2, dtype=torch.float64), 2)


def test_a_spread_subset_is_one_point_of_each_cell_and_its_means_are_far_less_noisy(generator):
    points = torch.randn(1000, 2, generator=generator, dtype=torch.float64)
    chosen = spread(points, 6, generator)
    assert chosen.shape == (64, 2)
    assert {tuple(x) for x in chosen.tolist()} <= {tuple(x) for x in points.tolist()}
    means = torch.stack([spread(points, 6, generator).mean(0) for _ in range(200)])
    centre = points[: 1000 >> 6 << 6].mean(0)
    assert ((means.mean(0) - centre).abs() < 4 * means.std(0) / 200**0.5).all()  # every point as likely as every other
    assert (means.std(0) < 0.4 / 64**0.5).all()  # an independent draw has 1 / sqrt(64)


def test_few_points_have_few_cells(generator):
    points = torch.arange(5.0)[:, None]
    assert spread(points, 11, generator).shape == (4, 1)
    assert spread(torch.zeros(64, 1, 4), 3, generator).shape == (8, 1, 4)
