from __future__ import annotations

import itertools

import pytest
import torch

from fmbench.metrics.ustatistics import mean_between, mean_within, mmd2


def cosine(x, y):
    return torch.cos(x[:, None] - y).prod(dim=-1)


@pytest.fixture
def points(generator):
    return [torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (7, 5)]


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_blocks_give_the_means_of_double_loops(points, block):
    x, y = points
    between = [float(torch.cos(a - b).prod()) for a, b in itertools.product(x, y)]
    within = [float(torch.cos(a - b).prod()) for a, b in itertools.permutations(x, 2)]
    assert mean_between(cosine, x, y, block) == pytest.approx(sum(between) / 35, rel=1e-12)
    assert mean_within(cosine, x, block) == pytest.approx(sum(within) / 42, rel=1e-12)


def test_no_table_is_larger_than_a_block(points):
    shapes = []

    def watched(x, y):
        shapes.append((len(x), len(y)))
        return cosine(x, y)

    mmd2(watched, *points, block=3)
    assert max(max(shape) for shape in shapes) == 3


def test_mmd2_is_unbiased_and_not_clipped(generator):
    """The mean over many pairs of samples of one law is 0, so some are below it."""
    each = torch.tensor(
        [mmd2(cosine, *torch.randn(2, 6, 2, generator=generator, dtype=torch.float64)) for _ in range(2000)]
    )
    assert abs(each.mean()) < 4 * each.std() / 2000**0.5
    assert (each < 0).float().mean() > 0.3
