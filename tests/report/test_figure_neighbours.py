"""Samples beside their nearest training images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmbench.data.digits import digits
from fmbench.errors import FmbenchError
from fmbench.metrics.memorisation import nearest, nearest_places
from fmbench.report.figures import Order, draw
from fmbench.report.figures.neighbours import PAIRS
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan


def keep(root, content, **said):
    for run in tiny_plan(methods=["fm-ot"], **said):
        directory = RunDirectory.of(root, run)
        directory.create(run)
        directory.samples.mkdir()
        np.save(directory.samples / "dopri5.npy", content)


def test_below_each_sample_is_the_training_image_that_it_was_made_from(tmp_path):
    train = digits().train
    places = torch.arange(0, 20 * 60, 60)
    altered = train[places].clone()
    altered[:, :, 0, 0] = 1  # nearest is still the image itself
    keep(tmp_path, altered.numpy())
    axes = [one for one in draw("neighbours", Order(tmp_path, "digits")).axes if one.images]
    (board,) = [np.asarray(image.get_array()) for one in axes for image in one.images]
    tiles = board.reshape(2, 10, PAIRS, 10).transpose(0, 2, 1, 3)[:, :, 1:-1, 1:-1]
    assert tiles[0] * 16 == pytest.approx(altered[:PAIRS, 0].numpy())
    assert tiles[1] * 16 == pytest.approx(train[places[:PAIRS], 0].numpy())


def test_the_nearest_are_those_of_a_comparison_of_every_two():
    generator = torch.Generator().manual_seed(0)
    images, train = (torch.randint(0, 256, (n, 1, 3, 3), generator=generator, dtype=torch.uint8) for n in (300, 50))
    every = torch.cdist(images.flatten(1).double(), train.flatten(1).double())
    assert nearest_places(images, train).equal(every.argmin(1))
    assert nearest(images, train).numpy() == pytest.approx(every.min(1).values.numpy())


def test_points_have_no_such_figure(tmp_path):
    keep(tmp_path, np.zeros((9, 2)), dataset="moons")
    with pytest.raises(FmbenchError, match="'moons' has points, not images: fmbench plot samples shows them"):
        draw("neighbours", Order(tmp_path, "moons"))


def test_a_dataset_that_no_plugin_has_is_named(tmp_path):
    keep(tmp_path, np.zeros((9, 1, 4, 4), dtype=np.uint8))
    path = next(tmp_path.rglob("run.json"))
    path.write_text(path.read_text().replace('"name": "digits"', '"name": "digitz"'))
    with pytest.raises(FmbenchError, match=r"unknown dataset 'digitz'. Did you mean 'digits'"):
        draw("neighbours", Order(tmp_path, "digits"))
