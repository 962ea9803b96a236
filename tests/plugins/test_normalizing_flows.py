from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.logit import Logit
from fmbench_plugins.normalizing_flows import MAF, NSF, RealNVP, ZukoFlow, coupling_mask

from fmbench.methods.base import Batch, Preparation, Task
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import CountedNetwork, counted

SMALL = {"transforms": 4, "width": 12, "depth": 1, "prior_std": 0.5}
FLOWS = {"realnvp": (RealNVP, SMALL), "nsf": (NSF, {**SMALL, "bins": 5}), "maf": (MAF, SMALL)}
SHAPES = {"vector": ((3,), None), "image": ((1, 3, 2), (-1.0, 3.0))}
EXACT = LikelihoodSettings()
INVERSE = Sampler(name="inverse")


def data(shape, bounds, n=500, seed=3):
    """Points off centre, each coordinate of its own scale; inside the bounds where there are any."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.linspace(0.5, 2, math.prod(shape)).reshape(shape)
    x = 0.3 + scale * torch.randn(n, *shape, generator=generator)
    return x if bounds is None else bounds[0] + (bounds[1] - bounds[0]) * torch.sigmoid(x)


def flow(name, shape=(3,), bounds=None, dtype=torch.float64, spread=0.3):
    """A flow with weights far from those it starts with, which make it the identity."""
    torch.manual_seed(0)
    cls, options = FLOWS[name]
    method = cls(Task(shape, 1.0, lambda _: None, size=50, bounds=bounds), **options)
    for weight in method.parameters():
        weight.data += spread * torch.randn_like(weight)
    method.prepare(Preparation(data(shape, bounds), torch.Generator().manual_seed(0), 64))
    return method.to(dtype).eval()


class TestLogit:
    def test_is_the_logit_of_the_unit_interval_less_its_margins(self):
        y, _ = Logit((-1.0, 3.0), margin=0.1).forward(torch.tensor([[-1.0, 1.0, 3.0]], dtype=torch.float64))
        assert y[0].tolist() == pytest.approx([math.log(0.1 / 0.9), 0, math.log(0.9 / 0.1)])

    def test_log_det_is_that_of_its_jacobian(self):
        logit, x = Logit((-1.0, 3.0)), data((2, 2), (-1.0, 3.0), 3).double()
        for point, log_det in zip(x, logit.forward(x)[1], strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda v: logit.forward(v[None])[0].flatten(), point)
            assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian.reshape(4, 4))[1].item())

    def test_inverse(self):
        logit, x = Logit((-1.0, 3.0)), data((4,), (-1.0, 3.0)).double()
        assert torch.allclose(logit.inverse(logit.forward(x)[0]), x, atol=1e-12)

    def test_leaves_data_without_bounds_alone(self):
        x = data((4,), None)
        y, log_det = Logit(None).forward(x)
        assert torch.equal(y, x)
        assert torch.equal(Logit(None).inverse(x), x)
        assert torch.equal(log_det, torch.zeros(len(x)))


@pytest.mark.parametrize("dimension", [2, 3, 7, 64])
def test_coupling_masks_tell_all_coordinates_apart_and_transform_each(dimension):
    pairs = [(coupling_mask(dimension, 2 * j), coupling_mask(dimension, 2 * j + 1)) for j in range(6)]
    assert all(torch.equal(first, ~second) for first, second in pairs)
    assert all(0 < first.sum() < dimension for first, _ in pairs)
    codes = torch.stack([first for first, _ in pairs], dim=1)
    assert len(torch.unique(codes, dim=0)) == dimension


def test_the_first_autoregressive_map_is_triangular():
    first = flow("maf").transforms.transforms[0]()
    x = torch.randn(3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(first, x)
    assert torch.equal(jacobian, jacobian.tril())
    assert (jacobian[1:, 0].abs() > 1e-3).all()


@pytest.mark.parametrize("name", FLOWS)
class TestEveryFlow:
    @pytest.mark.parametrize("kind", SHAPES)
    @pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
    def test_samples_are_the_inverse_of_the_base_draws(self, name, kind, dtype, largest):
        shape, bounds = SHAPES[kind]
        # Beyond some 30 deviations the sigmoid rounds to its ends, from which no logit returns.
        method = flow(name, shape, bounds, dtype, spread=0.15)
        x = method.sample(400, INVERSE, torch.Generator().manual_seed(7))
        assert x.shape == (400, *shape)
        assert x.dtype == torch.float64
        y = (method.logit.forward(x)[0] - method.mean) / method.deviation
        z, _ = method.encode(y.to(dtype))
        drawn = torch.randn(400, 6 if bounds else 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        assert (z - drawn).abs().max() < largest

    @pytest.mark.parametrize("kind", SHAPES)
    def test_log_prob_is_the_change_of_variables(self, name, kind):
        shape, bounds = SHAPES[kind]
        method = flow(name, shape, bounds)
        x = data(shape, bounds, 4, seed=11).double()
        got = method.log_prob(x, EXACT, torch.Generator()).value

        def whole(point):
            y = (method.logit.forward(point[None])[0] - method.mean) / method.deviation
            return method.encode(y)[0][0]

        for point, value in zip(x, got, strict=True):
            z = whole(point)
            jacobian = torch.autograd.functional.jacobian(whole, point).reshape(len(z), len(z))
            base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
            assert value.item() == pytest.approx((base + torch.linalg.slogdet(jacobian)[1]).item(), abs=1e-8)

    def test_the_density_integrates_to_one(self, name):
        method = flow(name, (2,), spread=0.15)
        edge = torch.linspace(-25, 25, 601, dtype=torch.float64)
        grid = torch.cartesian_prod(edge, edge)
        mass = method.log_prob(grid, EXACT, torch.Generator()).value.exp().sum() * (edge[1] - edge[0]) ** 2
        assert mass.item() == pytest.approx(1, abs=1e-3)

    def test_counts_one_evaluation_a_pass(self, name):
        method = flow(name, *SHAPES["image"])
        with counted(method) as density:
            method.log_prob(data(*SHAPES["image"], 9).double(), EXACT, torch.Generator())
        with counted(method) as inverse:
            method.sample(9, INVERSE, torch.Generator())
        assert density.calls == pytest.approx(1)
        assert inverse.calls == pytest.approx(6 if name == "maf" else 1)
        assert inverse.rows == pytest.approx(9 * inverse.calls)

    def test_the_loss_is_the_mean_of_minus_log_p_a_dimension_and_in_training_the_prior(self, name):
        method = flow(name)
        x = data((3,), None, 40).double()
        expected = -method.log_prob(x, EXACT, torch.Generator()).value.mean().item() / 3
        batch = Batch(x, None, torch.Generator())
        assert method.loss(batch).item() == pytest.approx(expected)
        networks = [part for part in method.modules() if isinstance(part, CountedNetwork)]
        weights = torch.cat([weight.flatten() for part in networks for weight in part.parameters()])
        assert len(networks) == SMALL["transforms"]
        # -log N(w; 0, 0.5^2) but for a constant, over 50 points of 3 coordinates.
        prior = (weights / 0.5).square().sum().item() / 2 / (50 * 3)
        assert method.train().loss(batch).item() == pytest.approx(expected + prior)

    @pytest.mark.parametrize("kind", SHAPES)
    def test_starts_as_the_standardised_data(self, name, kind):
        shape, bounds = SHAPES[kind]
        method = flow(name, shape, bounds, spread=0)
        x = data(shape, bounds).double()
        x[..., 0] = x[0, ..., 0]  # coordinates that never vary
        for _ in range(2):
            method.prepare(Preparation(x, torch.Generator(), 64))
        y = (method.logit.forward(x)[0] - method.mean) / method.deviation
        z, _ = method.encode(y)
        assert torch.allclose(z, y.flatten(1))
        assert torch.allclose(y.mean(dim=0), torch.zeros(shape, dtype=torch.float64), atol=1e-9)
        assert torch.allclose(y[..., 1:].std(dim=0), torch.ones_like(y[0, ..., 1:]))
        assert torch.isfinite(method.log_prob(x, EXACT, torch.Generator()).value).all()

    def test_refuses_a_single_coordinate(self, name):
        with pytest.raises(ValueError, match=r"data of shape \(1,\)"):
            flow(name, (1,))


def test_an_autoregressive_inverse_may_leave_the_range_of_single_precision():
    maf = flow("maf", (1, 8, 8), (-1.0, 3.0), torch.float32, spread=0.8)
    before = [weight.clone() for weight in maf.parameters()]
    z = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert ZukoFlow.decode(maf, z).isnan().any()
        assert maf.decode(z).isfinite().all()
    assert maf.sample(200, INVERSE, torch.Generator().manual_seed(0)).isfinite().all()
    assert all(torch.equal(weight, old) for weight, old in zip(maf.parameters(), before, strict=True))
    assert {weight.dtype for weight in maf.parameters()} == {torch.float32}
