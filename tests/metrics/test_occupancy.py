from __future__ import annotations

import math

import pytest
import torch

from fmbench.data import planar
from fmbench.metrics.occupancy import numbers


def by_name(x, density):
    return {value.name: value for value in numbers(x, density)}


@pytest.fixture(scope="module")
def eight():
    return planar.eight_gaussians().density


def balanced(density, kept, each=100):
    """The same number of points about each of the modes kept, all within one deviation."""
    angles = torch.linspace(0, 2 * math.pi, each, dtype=torch.float64)
    ring = 0.3 * torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)
    return torch.cat([density.modes[k] + ring for k in kept])


def test_all_modes_evenly_filled(eight):
    found = by_name(balanced(eight, range(8)), eight)
    assert found["modes"].value == 1
    assert found["mode-tv"].value == pytest.approx(0, abs=1e-12)
    assert found["off-mode"].value == 0
    # All points are one deviation from their centre, and the other modes are too far away to matter.
    expected = math.log(8) + math.log(2 * math.pi * 0.09) + 0.5 - eight.entropy
    assert found["ce-gap"].value == pytest.approx(expected, abs=1e-9)
    assert found["ce-gap"].unit == "nats"


def test_a_dropped_mode_is_missed_by_the_count_and_unseen_by_the_cross_entropy(eight):
    found = by_name(balanced(eight, range(7)), eight)
    assert found["modes"].value == 7 / 8
    assert found["mode-tv"].value == pytest.approx((7 * (1 / 7 - 1 / 8) + 1 / 8) / 2)
    whole = by_name(balanced(eight, range(8)), eight)
    assert found["ce-gap"].value == pytest.approx(whole["ce-gap"].value, abs=1e-9)


@pytest.mark.parametrize(("few", "share"), [(15, 7 / 8), (17, 1.0)])
def test_a_mode_counts_from_a_fifth_of_its_fair_share_on(eight, few, share):
    """715 or 717 points: a fifth of an eighth is just below 18."""
    x = torch.cat([balanced(eight, range(7)), balanced(eight, [7], each=few + 3)])
    assert by_name(x[: 700 + few + 1], eight)["modes"].value == share


def test_points_nearest_to_a_mode_but_beyond_its_radius_do_not_find_it(eight):
    far = eight.modes[7] * (1 + (3 * 0.3 + 0.01) / 4)
    x = torch.cat([balanced(eight, range(7)), far.expand(100, 2)])
    found = by_name(x, eight)
    assert found["modes"].value == 7 / 8
    assert found["mode-tv"].value == pytest.approx(0, abs=1e-12)
    assert found["off-mode"].value == 1 / 8
    assert found["off-mode"].error == pytest.approx(math.sqrt(1 / 8 * 7 / 8 / 800))


def test_true_samples_are_on_the_floor(eight, generator):
    x = eight.sample(20_000, generator)
    found = by_name(x, eight)
    assert abs(found["ce-gap"].value) < 4 * found["ce-gap"].error
    assert found["ce-gap"].error == pytest.approx(1 / math.sqrt(20_000), rel=0.05)  # |z|^2 / 2 has deviation 1
    assert found["off-mode"].value == pytest.approx(math.exp(-4.5), abs=4 * found["off-mode"].error)
    assert found["modes"].value == 1


def test_ten_percent_too_wide_is_seen(eight, generator):
    """By the cross-entropy: 1.1^2 - 1 = .21 nats."""
    x = planar.Mixture(eight.centres, 0.33, math.nan).sample(20_000, generator)
    gap = by_name(x, eight)["ce-gap"]
    assert gap.value == pytest.approx(0.21, abs=4 * gap.error)


def test_where_the_density_vanishes_strays_are_counted_instead(generator):
    density = planar.checkerboard().density
    inside = density.sample(3000, generator)
    x = torch.cat([inside, torch.tensor([[5.0, 0.0]]).expand(1000, 2).double()])
    found = by_name(x, density)
    assert set(found) == {"off-support", "modes", "mode-tv"}
    assert found["off-support"].value == 0.25
    assert by_name(inside, density)["off-support"].value == 0


def test_the_modes_of_the_checkerboard_are_its_cells(generator):
    density = planar.checkerboard().density
    assert torch.isfinite(density.log_prob(density.modes)).all()
    distance, nearest = torch.cdist(density.sample(50_000, generator), density.modes).min(dim=1)
    assert 0.98 * density.mode_radius < distance.max() <= density.mode_radius  # the cell is covered
    assert (torch.bincount(nearest) > 5500).all()


def test_a_density_without_modes_has_only_a_cross_entropy(generator):
    density = planar.gaussian_2d().density
    assert set(by_name(density.sample(100, generator), density)) == {"ce-gap"}
