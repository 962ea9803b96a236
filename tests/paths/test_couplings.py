from __future__ import annotations

import numpy as np
import ot
import pytest
import torch

from fmbench.errors import SolverError
from fmbench.paths import couplings


@pytest.fixture
def points(generator):
    return torch.randn(64, 3, generator=generator), 0.7 * torch.randn(64, 3, generator=generator) + 1


@pytest.mark.parametrize("solver", ["assignment", "emd"])
class TestMinibatchOT:
    def test_every_point_is_used_once_and_data_stay_where_they_are(self, points, generator, solver):
        x0, x1 = points
        paired, same = couplings.MinibatchOT(solver).pair(x0, x1, generator)
        assert same is x1  # hence labels stay with their images
        assert torch.equal(paired.sort(dim=0).values, x0.sort(dim=0).values)
        assert not torch.equal(paired, x0)

    def test_its_cost_is_that_of_pot(self, points, generator, solver):
        x0, x1 = points
        paired, _ = couplings.MinibatchOT(solver).pair(x0, x1, generator)
        cost = (paired - x1).square().sum(1).mean().item()
        assert cost == pytest.approx(ot.emd2([], [], ot.dist(x1.double().numpy(), x0.double().numpy())), rel=1e-5)

    def test_its_plan_is_that_of_torchcfm(self, points, generator, solver):
        """As a matrix, to 1e-5: they would then draw pairs from it with replacement."""
        sampler = pytest.importorskip("torchcfm.optimal_transport").OTPlanSampler(method="exact")
        x0, x1 = points
        paired, _ = couplings.MinibatchOT(solver).pair(x0, x1, generator)
        ours = (paired[None] == x0[:, None]).all(-1).double().numpy() / len(x0)
        np.testing.assert_allclose(ours, sampler.get_map(x0, x1), atol=1e-5)

    @pytest.mark.parametrize("offset", [1e2, 1e4, 1e5])
    def test_far_from_the_origin_it_is_the_same(self, points, generator, solver, offset):
        """As far as float32 holds the points themselves: distances come from their differences."""
        far = [(x.double() + offset).float() for x in points]
        near = [(x.double() - offset).float() for x in far]
        expected, _ = couplings.MinibatchOT(solver).pair(near[0], near[1], generator)
        paired, _ = couplings.MinibatchOT(solver).pair(far[0], far[1], generator)
        assert torch.equal((paired.double() - offset).float(), expected)

    def test_images_keep_their_shape(self, generator, solver):
        x0, x1 = (torch.randn(8, 1, 4, 4, generator=generator) for _ in range(2))
        assert couplings.MinibatchOT(solver).pair(x0, x1, generator)[0].shape == (8, 1, 4, 4)


def test_distances_far_from_the_origin_are_those_near_it():
    """The squares of 1e8 leave nothing of a distance, in float64 either."""
    x, y = torch.randn(2, 40, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    far = couplings.squared_distances(x + 1e8, y + 1e8)
    np.testing.assert_allclose(far, couplings.squared_distances(x, y), rtol=1e-5)


class TestSinkhorn:
    def test_its_plan_is_that_of_torchcfm(self, points):
        sampler = pytest.importorskip("torchcfm.optimal_transport").OTPlanSampler(method="sinkhorn", reg=0.5)
        x0, x1 = points
        plan = couplings.Sinkhorn(0.5, tolerance=1e-10).plan(x0, x1)
        np.testing.assert_allclose(plan.T, sampler.get_map(x0, x1), atol=1e-5)

    @pytest.mark.parametrize("dimension", [3, 784])
    def test_its_plan_is_that_of_the_log_domain(self, generator, dimension):
        """Where the kernel of the costs themselves is zero: 28 x 28 pixels, a batch of 256."""
        x0 = torch.randn(256, dimension, generator=generator)
        x1 = 0.5 * torch.rand(256, 1, generator=generator) * torch.randn(dimension, generator=generator) + 0.3
        plan = couplings.Sinkhorn(0.5, tolerance=1e-9).plan(x0, x1)
        costs = ot.dist(x1.double().numpy(), x0.double().numpy())
        assert (dimension > 3) == (np.exp(-costs / 0.5).sum(axis=1).min() == 0)
        expected = ot.sinkhorn([], [], costs, 0.5, method="sinkhorn_log", numItermax=20_000, stopThr=1e-9)
        np.testing.assert_allclose(plan, expected, atol=1e-6 / 256)

    def test_scalings_that_overflow_float64_are_absorbed(self):
        """Where plain Sinkhorn overflows, though the reduced costs have a kernel."""
        generator = torch.Generator().manual_seed(0)
        x0 = torch.randn(256, 784, generator=generator)
        x1 = 2 * torch.rand(256, 784, generator=generator) - 1
        plan = couplings.Sinkhorn(0.08, iterations=3000).plan(x0, x1)
        np.testing.assert_allclose(plan.sum(axis=0), 1 / 256, atol=1e-4)
        np.testing.assert_allclose(plan.sum(axis=1), 1 / 256, atol=1e-4)

    def test_noise_is_drawn_from_the_rows_of_the_plan(self, points):
        x0, x1 = points
        coupling = couplings.Sinkhorn(2.0)
        plan = coupling.plan(x0, x1)
        seen = np.zeros_like(plan)
        for seed in range(2000):
            paired, _ = coupling.pair(x0, x1, torch.Generator().manual_seed(seed))
            seen += (paired[:, None] == x0[None]).all(-1).numpy()
        expected = plan / plan.sum(1, keepdims=True)
        error = np.sqrt(expected * (1 - expected) / 2000)
        assert (np.abs(seen / 2000 - expected) < 5 * error + 1e-3).all()

    def test_it_is_seeded(self, points):
        first, second, other = (
            couplings.Sinkhorn(2.0).pair(*points, torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)
        )
        assert torch.equal(first, second)
        assert not torch.equal(first, other)

    def test_too_little_regularisation_is_refused(self, points):
        with pytest.raises(SolverError, match=r"Sinkhorn with regularisation 1e-05: .*; raise it"):
            couplings.Sinkhorn(1e-5).pair(*points, torch.Generator())


@pytest.mark.parametrize("coupling", [couplings.MinibatchOT(), couplings.MinibatchOT("emd"), couplings.Sinkhorn(1.0)])
class TestDegenerateBatches:
    def test_nan_is_named(self, points, coupling):
        x0, x1 = points
        x1[3, 1] = torch.nan
        with pytest.raises(SolverError, match="not finite"):
            coupling.pair(x0, x1, torch.Generator())

    def test_equal_points_are_named(self, coupling):
        with pytest.raises(SolverError, match="all distances of the batch are 2, so no plan"):
            coupling.pair(torch.zeros(5, 2), torch.ones(5, 2), torch.Generator())
