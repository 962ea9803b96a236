"""KID, precision, recall, density and coverage: against independent implementations and cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmbench.errors import Unavailable
from fmbench.metrics import prdc as ours
from fmbench.metrics.kid import kernel_distance
from fmbench.metrics.prdc import prdc


@pytest.fixture
def sets(generator):
    real = torch.randn(700, 8, generator=generator, dtype=torch.float64)
    fake = 1.2 * torch.randn(500, 8, generator=generator, dtype=torch.float64) + 0.3
    return real, fake


class TestKID:
    def test_against_torch_fidelity(self, sets):
        kid = pytest.importorskip("torch_fidelity.metric_kid")
        real, fake = (x[:400].numpy() for x in sets)
        kernel = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
        theirs = kid.kernel_mmd(fake, real, kid_kernel="poly", **kernel)
        assert kernel_distance(*(torch.from_numpy(x) for x in (fake, real))) == pytest.approx(theirs, rel=1e-6)

    def test_by_hand(self):
        """Two points a side in one dimension: k(x, y) = (x y + 1)^3."""
        x, y = torch.tensor([[0.0], [1.0]]).double(), torch.tensor([[2.0], [3.0]]).double()
        expected = 1 + 7**3 - 2 * (1 + 1 + 3**3 + 4**3) / 4
        assert kernel_distance(x, y) == pytest.approx(expected)

    def test_unbiased_and_negative_half_of_the_time_between_equal_laws(self, generator):
        draws = [
            kernel_distance(*(torch.randn(60, 4, generator=generator, dtype=torch.float64) for _ in range(2)))
            for _ in range(200)
        ]
        error = np.std(draws, ddof=1) / np.sqrt(len(draws))
        assert abs(np.mean(draws)) < 4 * error
        assert 0.3 < np.mean(np.array(draws) < 0) < 0.8


class TestPRDC:
    def test_against_the_authors_package(self, sets):
        theirs = pytest.importorskip("prdc").compute_prdc(*(x.numpy() for x in sets), nearest_k=5)
        got = prdc(*sets, 5)
        for name, number in zip(ours.NAMES, got, strict=True):
            assert number == pytest.approx(theirs[name], rel=1e-6)
            assert 0 < number < 1.2

    def test_blocks_change_nothing(self, sets, monkeypatch):
        whole = prdc(*sets, 5)
        monkeypatch.setattr(ours, "BLOCK", 64)
        assert prdc(*sets, 5) == whole

    def test_a_collapsed_generator_is_precise_and_covers_nothing(self, sets):
        real, _ = sets
        copies = real[:1] + 1e-6 * torch.arange(50, dtype=torch.float64)[:, None]
        precision, recall, density, coverage = prdc(real, copies, 5)
        assert precision == 1
        assert density > 0.2
        assert recall < 0.02
        assert coverage < 0.05

    def test_sets_far_apart_share_nothing(self, sets):
        real, fake = sets
        assert prdc(real, fake + 100, 5) == (0, 0, 0, 0)

    def test_too_few(self, sets):
        with pytest.raises(Unavailable, match="5 images are too few for 5 neighbours"):
            prdc(sets[0], sets[1][:5], 5)

    def test_copies_have_no_neighbourhoods(self, sets):
        real, fake = sets
        with pytest.raises(Unavailable, match="most real images are the same as 5 others"):
            prdc(real[:100].repeat(6, 1), fake, 5)
        assert prdc(real, fake[:1].repeat(60, 1), 5)[1] == 0  # a collapsed generator recalls nothing
