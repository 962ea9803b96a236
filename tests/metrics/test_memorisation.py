from __future__ import annotations

import pytest
import torch

from fmbench.data.digits import digits
from fmbench.metrics.memorisation import nearest
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
