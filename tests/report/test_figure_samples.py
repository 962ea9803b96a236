"""Samples side by side: which sets are shown, and where their images and points stand."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench.errors import FmbenchError
from fmbench.report.figures import Order, draw, style
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan


def keep(root, content, *assignments, sampler="dopri5", **said):
    """Samples of runs that were never carried out."""
    for run in tiny_plan(*assignments, **said):
        directory = RunDirectory.of(root, run)
        directory.create(run)
        directory.samples.mkdir(exist_ok=True)
        np.save(directory.samples / f"{sampler}.npy", content)


def images(n, *, channels=1, side=4):
    """Images of which the k-th is all of level k."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, channels, side, side))


def titles(picture):
    return [axis.get_title() for axis in picture.axes]


def test_images_stand_in_rows_in_their_order(tmp_path):
    keep(tmp_path, images(100), methods=["fm-ot"])
    (axis,) = draw("samples", Order(tmp_path, "digits")).axes
    (board,) = [image.get_array() for image in axis.images]
    assert board.shape == (8 * 6, 8 * 6)
    assert board[3, 6 * 2 + 3] * 63 == pytest.approx(2)  # a pixel apart from its neighbours
    assert board[6 * 7 + 3, 6 * 7 + 3] * 63 == pytest.approx(63)
    assert board[0].max() == 0


def test_colours_stay_colours(tmp_path):
    keep(tmp_path, images(10, channels=3), methods=["fm-ot"])
    (axis,) = draw("samples", Order(tmp_path, "digits")).axes
    assert axis.images[0].get_array().shape == (2 * 6, 8 * 6, 3)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_channels_stand_beside_each_other_in_grey(tmp_path, channels):
    content = images(10, channels=channels).copy()
    content[:, -1] = 20
    keep(tmp_path, content, methods=["fm-ot"])
    (axis,) = draw("samples", Order(tmp_path, "digits")).axes
    board = axis.images[0].get_array()
    assert board.shape == (2 * 6, 8 * (4 * channels + 2))
    assert board[3, 4 * channels - 4] * 20 == pytest.approx(0)  # the first image, last but one channel
    assert board[3, 4 * channels] * 20 == pytest.approx(20)


def test_one_panel_a_configuration_and_sampler_of_the_first_seed(tmp_path):
    keep(tmp_path, images(4), methods=["fm-ot", "ddpm"], seeds=[0, 1])
    keep(tmp_path, images(4), methods=["ddpm"], seeds=[0], sampler="euler-20")
    assert titles(draw("samples", Order(tmp_path, "digits"))) == ["ddpm", "ddpm\neuler-20", "fm-ot"]


def test_configurations_of_a_method_are_told_apart_by_what_differs(tmp_path):
    keep(tmp_path, images(4), methods=["fm-ot"])
    keep(tmp_path, images(4), "train.steps=7", methods=["fm-ot"])
    keep(tmp_path, images(4), methods=["ddpm"])
    shown = titles(draw("samples", Order(tmp_path, "digits")))
    assert sorted(shown) == ["ddpm", "fm-ot [train.steps=6]", "fm-ot [train.steps=7]"]


def test_rows_are_chosen_by_name_or_pattern(tmp_path):
    keep(tmp_path, images(4), methods=["fm-ot", "fm-vp", "ddpm"])
    assert titles(draw("samples", Order(tmp_path, "digits", rows=("fm-*",)))) == ["fm-ot", "fm-vp"]
    with pytest.raises(FmbenchError, match=r"unknown method of this store 'fm-oh'. Did you mean 'fm-ot'"):
        draw("samples", Order(tmp_path, "digits", rows=("ddpm", "fm-oh")))


def test_points_share_a_scale_that_a_stray_method_does_not_set(tmp_path):
    chance = np.random.default_rng(0)
    for scale, method in ((1, "fm-ot"), (1, "ddpm"), (1000, "edm")):
        keep(tmp_path, scale * chance.uniform(-1, 1, (500, 2)), methods=[method], dataset="moons")
    axes = draw("samples", Order(tmp_path, "moons")).axes
    assert len({axis.get_xlim() for axis in axes}) == 1
    assert axes[0].get_xlim() == pytest.approx((-1.2, 1.2), abs=0.05)
    assert len(axes[0].collections[0].get_offsets()) == 500


@pytest.mark.parametrize(
    "content", [images(10), np.random.default_rng(0).normal(size=(50, 2))], ids=["image", "points"]
)
def test_the_same_store_gives_the_same_bytes(tmp_path, content):
    keep(tmp_path, content, methods=["fm-ot", "ddpm"])
    for name in ("a.svg", "b.svg"):
        style.save(draw("samples", Order(tmp_path, "digits")), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_cannot_be_shown_says_what_to_do(tmp_path):
    with pytest.raises(FmbenchError, match=r"no runs of 'digits' .* run 'fmbench run --dataset digits' first"):
        draw("samples", Order(tmp_path, "digits"))
    (run,) = tiny_plan(methods=["fm-ot"])
    RunDirectory.of(tmp_path, run).create(run)
    with pytest.raises(FmbenchError, match="no samples of 'digits'"):
        draw("samples", Order(tmp_path, "digits"))
    keep(tmp_path, np.zeros((5, 3)), methods=["fm-ot"])
    with pytest.raises(FmbenchError, match="neither images nor points of the plane"):
        draw("samples", Order(tmp_path, "digits"))
    next(tmp_path.rglob("dopri5.npy")).write_bytes(b"torn")
    with pytest.raises(FmbenchError, match=r"cannot read .*dopri5.npy"):
        draw("samples", Order(tmp_path, "digits"))
