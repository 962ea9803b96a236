"""Given, drawn and true images beside each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmbench.data.digits import digits
from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw
from fmbench.report.figures.restoration import SHOWN
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan


def keep(root, content, dataset):
    for run in tiny_plan(methods=["fm-ot"], dataset=dataset):
        directory = RunDirectory.of(root, run)
        directory.create(run)
        directory.samples.mkdir()
        np.save(directory.samples / "dopri5.npy", content)


def tiles(axis):
    """The images of a column, without the gaps between them; darkest is 1."""
    (image,) = axis.images
    return np.asarray(image.get_array()).reshape(SHOWN, 10, 10)[:, 1:-1, 1:-1]


def test_a_row_is_one_test_image_as_given_as_drawn_and_as_it_is(tmp_path):
    test = digits().test
    drawn = (16 - test[:20]).numpy()
    keep(tmp_path, drawn, "digits-sr")
    given, method, true = draw("restoration", Order(tmp_path, "digits-sr")).axes
    assert [axis.get_title() for axis in (given, method, true)] == ["given", "fm-ot", "true"]
    assert tiles(method) * 16 == pytest.approx(drawn[:SHOWN, 0])
    assert tiles(true) * 16 == pytest.approx(test[:SHOWN, 0].numpy())
    means = test[:SHOWN].float().reshape(SHOWN, 4, 2, 4, 2).mean(dim=(2, 4)).round()
    blocks = means.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert tiles(given) * float(torch.max(blocks)) == pytest.approx(blocks.numpy())


def test_where_nothing_is_given(tmp_path):
    keep(tmp_path, np.zeros((20, 1, 8, 8), np.uint8), "digits")
    with pytest.raises(FmbenchError, match="nothing is given beside the points of 'digits': fmbench plot samples"):
        draw("restoration", Order(tmp_path, "digits"))
