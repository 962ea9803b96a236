from __future__ import annotations

import pytest
import torch

from fmbench.metrics.fid import extrapolated
from fmbench.metrics.frechet import Accumulator, Statistics, accumulated, frechet_distance, statistics


def spd(d, generator, power=1.0):
    """A random symmetric positive definite matrix with eigenvalues k^-power."""
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    return q @ torch.diag(torch.arange(1, d + 1, dtype=torch.float64) ** -power) @ q.T


@pytest.mark.parametrize("d", [1, 2, 64, 256])
def test_a_known_distance_between_covariances_that_do_not_commute(d, generator):
    """B = M A M with M positive definite: (A B)^(1/2) has trace tr(A M)."""
    a, m = spd(d, generator), spd(d, generator, power=0.5)
    shift = torch.randn(d, generator=generator, dtype=torch.float64)
    zero = torch.zeros(d, dtype=torch.float64)
    expected = shift.square().sum() + a.trace() + (m @ a @ m).trace() - 2 * (a @ m).trace()
    got = frechet_distance(Statistics(zero, a, 10), Statistics(shift, m @ a @ m, 10))
    assert got == pytest.approx(expected.item(), rel=1e-6)


def test_symmetric_zero_on_itself_and_never_negative(generator):
    a, b = (
        statistics(torch.randn(500, 8, generator=generator)),
        statistics(torch.rand(400, 8, generator=generator)),
    )
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert 0 <= frechet_distance(a, a) < 1e-9


def test_fewer_points_than_dimensions(generator):
    """Singular covariances: against the nuclear norm of the product of centred features."""
    x, y = (torch.randn(20, 50, generator=generator, dtype=torch.float64) for _ in range(2))
    a, b = ((z - z.mean(0)) / 19**0.5 for z in (x, y))
    cross = torch.linalg.svdvals(a @ b.T).sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * cross
    assert frechet_distance(statistics(x), statistics(y)) == pytest.approx(expected.item(), rel=1e-7)


def test_a_collapsed_generator(generator):
    x = torch.randn(300, 6, generator=generator, dtype=torch.float64)
    real = statistics(x)
    constant = statistics(torch.ones(10, 6))
    expected = (real.mean - 1).square().sum() + real.covariance.trace()
    assert frechet_distance(constant, real) == pytest.approx(expected.item(), rel=1e-9)


def test_a_dead_feature_changes_nothing(generator):
    x, y = (torch.randn(300, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    padded = [statistics(torch.cat([z, torch.zeros(300, 1)], dim=1)) for z in (x, y)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(statistics(x), statistics(y)), rel=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_against_clean_fid(generator):
    fid = pytest.importorskip("cleanfid.fid")
    import numpy as np

    x, y = (
        np.array(torch.randn(2000, 16, generator=generator)),
        np.array(torch.rand(1500, 16, generator=generator)),
    )
    try:
        theirs = fid.fid_from_feats(x, y)
    except TypeError:
        pytest.skip("clean-fid's arithmetic does not run on SciPy 1.18 and later")
    ours = frechet_distance(statistics(torch.from_numpy(x)), statistics(torch.from_numpy(y)))
    assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(
    ("features", "text"),
    [
        (torch.full((5, 2), torch.nan), "not finite"),
        (torch.ones(1, 2), "n >= 2"),
        (torch.ones(5), r"\(n, d\)"),
    ],
)
def test_bad_features_are_refused(features, text):
    with pytest.raises(ValueError, match=text):
        statistics(features)


class TestAccumulator:
    def test_blocks_and_merging_give_what_one_block_gives(self, generator):
        x = 1e4 + torch.randn(1000, 6, generator=generator, dtype=torch.float64)  # a mean that would eat the digits
        whole = statistics(x)
        a, b = Accumulator(), Accumulator()
        for block in x[:300].split(7):
            a.add(block)
        for block in x[300:].split(100):
            b.add(block)
        a.merge(b)
        merged = a.result()
        assert merged.n == 1000
        torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-13, atol=0)
        torch.testing.assert_close(merged.covariance, torch.cov(x.T), rtol=1e-9, atol=1e-9)

    def test_memory_does_not_grow_with_the_number_of_points(self, generator):
        accumulator = Accumulator()
        for _ in range(10):
            accumulator.add(torch.randn(5, 8, generator=generator))
        held = [value for value in vars(accumulator).values() if isinstance(value, torch.Tensor)]
        assert sum(value.numel() for value in held) == 8 + 8 * 8
        assert accumulator._blocks == []

    def test_a_merge_of_few_rows_keeps_them(self, generator):
        x = torch.randn(6, 20, generator=generator, dtype=torch.float64)
        a, b = accumulated([x[:4]]), accumulated([x[4:]])
        a.merge(b)
        factor = a.result().factor
        torch.testing.assert_close(factor.T @ factor, torch.cov(x.T))
        grown = accumulated([torch.randn(30, 20, generator=generator)])
        grown.merge(b)
        assert grown.result().factor is None  # the first thirty are gone: a part would be no root


@pytest.mark.parametrize(("n", "m"), [(30, 400), (400, 30), (30, 20), (400, 500)])
def test_every_root_gives_the_same_distance(n, m, generator):
    """Few points, singular and regular covariances, against the eigenvalues of the product of both matrices."""
    x, y = (torch.randn(k, 64, generator=generator, dtype=torch.float64) for k in (n, m))
    a, b = statistics(x), statistics(2 * y)
    product = torch.linalg.eigvals(a.covariance @ b.covariance).real.clamp(min=0).sqrt().sum()
    expected = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * product
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-6)
    plain = [Statistics(one.mean, one.covariance, one.n) for one in (a, b)]  # without the kept rows
    assert frechet_distance(*plain) == pytest.approx(expected.item(), rel=1e-6)


def test_extrapolation_removes_the_bias_of_few_samples(generator):
    """Chong and Forsyth 2020: FID of n samples of the reference's own law is a + b / n with a = 0."""
    reference = Statistics(torch.zeros(16).double(), torch.eye(16).double(), 10**9)
    raw, intercepts = [], []
    for _ in range(20):
        x = torch.randn(1000, 16, generator=generator)
        raw.append(frechet_distance(statistics(x), reference))
        intercepts.append(extrapolated(x, reference, 15))
    error = torch.tensor(intercepts).std() / 20**0.5
    assert sum(raw) / 20 > 10 * error
    assert abs(sum(intercepts) / 20) < 4 * error
    assert error < 0.01
