from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fmbench.data.base import Dataset, Levels
from fmbench.data.digits import digits
from fmbench.metrics.base import Evaluation
from fmbench.metrics.memorisation import Memorisation, nearest
from tests.helpers import carry_out, numbers, tiny_plan


def test_distances_by_brute_force(generator):
    images, train = (torch.randint(0, 256, (n, 1, 28, 28), generator=generator).to(torch.uint8) for n in (30, 300))
    images[3] = train[17]
    expected = torch.cdist(images.double().flatten(1), train.double().flatten(1)).amin(dim=1)
    got = nearest(images, train)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-9)
    assert got[3] == 0


def test_a_copy_is_seen_and_new_data_are_not(tmp_path):
    """copycat draws training images again; the Gaussian draws images unlike any; held-out ones define 1."""
    copycat, gaussian = tiny_plan(methods=["copycat", "gaussian"], metrics=["memorisation"])
    carry_out([copycat, gaussian], tmp_path)
    copied, drawn = numbers(tmp_path, copycat), numbers(tmp_path, gaussian)
    assert (copied["nn-ratio"], copied["copied"]) == (0, 1)
    assert drawn["nn-ratio"] > 1
    assert drawn["copied"] < 0.02
    held_out = nearest(digits().test, digits().train)
    assert float((held_out < held_out.quantile(0.01)).double().mean()) == pytest.approx(0.01, abs=0.003)


def measured(train, test, samples):
    """The two numbers of a set of samples, by name."""
    dataset = Dataset("mine", train, test, Levels(256))
    evaluation = SimpleNamespace(dataset=dataset, samples=[SimpleNamespace(raw=samples)])
    evaluation.leak = Evaluation.leak.func(evaluation)
    return {number.name: number for number in Memorisation().measure(evaluation)}


def images(generator, n):
    return torch.randint(0, 256, (n, 1, 4, 4), generator=generator).to(torch.uint8)


@pytest.mark.parametrize("n", [99, 100])
def test_medians_are_those_of_numpy(generator, n):
    """An even number of distances has two in the middle."""
    train, test, samples = images(generator, 300), images(generator, n), images(generator, n)
    distances = [torch.cdist(x.double().flatten(1), train.double().flatten(1)).amin(1).numpy() for x in (samples, test)]
    expected = np.median(distances[0]) / np.median(distances[1])
    assert measured(train, test, samples)["nn-ratio"].value == pytest.approx(expected, rel=1e-9)


class TestLeaks:
    """Held-out images that are training images too are no measure of how near a sample may come."""

    @pytest.mark.parametrize("draw", [images, lambda _, n: torch.zeros(n, 1, 4, 4, dtype=torch.uint8)])
    def test_half_of_them_make_both_numbers_unavailable(self, generator, draw):
        train = draw(generator, 100)
        test = torch.cat([train[:25], images(generator, 15)])
        found = measured(train, test, images(generator, 30))
        for name in ("nn-ratio", "copied"):
            assert found[name].value is None
            assert found[name].reason.startswith("25 of 40 held-out images are training images too")

    def test_some_make_one_unavailable_and_the_other_warn(self, generator):
        train = images(generator, 100)
        found = measured(train, torch.cat([train[:4], images(generator, 96)]), images(generator, 30))
        assert found["copied"].value is None
        assert found["nn-ratio"].value > 0
        assert found["nn-ratio"].details["warning"] == "4 of 100 held-out points are training points too"

    def test_few_are_not_told(self, generator):
        train = images(generator, 100)
        found = measured(train, torch.cat([train[:1], images(generator, 150)]), images(generator, 30))
        assert "warning" not in found["nn-ratio"].details
        assert found["copied"].value is not None

    def test_points_are_counted_by_all_their_coordinates(self, generator):
        train = torch.randn(50, 2, generator=generator, dtype=torch.float64)
        test = torch.stack([train[3], train[3].flip(0), train[4] + 1e-12, train[7]])
        assert Dataset("mine", train, test, Levels(2)).leaked() == 2
