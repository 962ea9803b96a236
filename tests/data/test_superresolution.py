"""Small versions of images, and the datasets whose images are drawn beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmbench import commands
from fmbench.data.digits import digits
from fmbench.data.superresolution import super_resolution
from fmbench.errors import FmbenchError
from fmbench.metrics.restoration import psnr
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from fmbench.training.batches import Batches
from tests.helpers import carry_out, tiny_plan

PLUGINS = load_plugins(environ={})


@pytest.fixture(scope="module")
def dataset():
    return super_resolution(of="digits", factor=2)


def levels_of(given):
    """Model space to the 17 levels, in the middle of their cells."""
    return ((given + 1) * 17 - 1) / 2


def test_what_is_given_are_the_means_of_squares_on_the_levels(dataset):
    raw = dataset.train[:5]
    given = dataset.given(raw)
    assert (given.shape, given.dtype) == ((5, 1, 4, 4), torch.float32)
    assert dataset.given_shape == (1, 4, 4)
    means = raw.float().reshape(5, 1, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(levels_of(given), means.round(), atol=1e-4, rtol=0)


def test_the_images_are_those_of_the_dataset(dataset):
    assert torch.equal(dataset.train, digits().train)
    assert torch.equal(dataset.test, digits().test)
    assert dataset.name == "digits-sr"
    assert dataset.train_labels is None


def test_a_factor_that_does_not_divide_the_side_is_refused():
    with pytest.raises(FmbenchError, match=r"data\.digits-sr\.factor = 3: the sides of its images, \(8, 8\), must be"):
        super_resolution(of="digits", factor=3)


@pytest.mark.parametrize("flips", [False, True])
def test_each_point_of_a_batch_has_its_own_small_version(dataset, flips):
    batch = Batches(dataset, 64, 0, torch.device("cpu"), flips=flips)[3]
    means = dataset.transform.decode(batch.x.double()).float().reshape(64, 1, 4, 2, 4, 2).mean(dim=(3, 5)).round()
    torch.testing.assert_close(levels_of(batch.labels), means, atol=1e-4, rtol=0)


class TestTheTask:
    def test_it_is_short_for_the_datasets_by_it(self):
        runs = commands.plan(PLUGINS, methods=["bicubic", "fm-ot"], dataset="digits", task="sr")
        assert [run.training.dataset.name for run in runs] == ["digits-sr", "digits-sr"]
        assert set(runs[1].evaluation.metrics) == {"psnr", "fid", "kid", "prdc", "nfe"}
        assert runs[1].training.dataset.options == {"of": "digits", "factor": 2}

    def test_images_that_are_smaller_than_the_window_of_ssim_have_none(self):
        (run,) = commands.plan(PLUGINS, methods=["fm-ot"], dataset="fashion-mnist", task="sr")
        assert "ssim" in run.evaluation.metrics
        with pytest.raises(
            FmbenchError, match="ssim does not exist on digits-sr: its images are smaller than 11 pixels"
        ):
            commands.plan(PLUGINS, methods=["fm-ot"], dataset="digits", task="sr", metrics=["ssim"])

    def test_options_of_the_dataset_are_those_of_the_task(self):
        (run,) = commands.plan(
            PLUGINS, methods=["fm-ot"], dataset="digits", task="sr", assignments=["dataset.factor=4"]
        )
        assert run.training.dataset.options["factor"] == 4

    @pytest.mark.parametrize(("dataset", "task"), [("moons", "sr"), ("digits", "inpainting")])
    def test_there_may_be_none(self, dataset, task):
        with pytest.raises(FmbenchError, match=f"--task {task}: {dataset} has no such task; it is there for"):
            commands.plan(PLUGINS, methods=["fm-ot"], dataset=dataset, task=task)

    def test_methods_that_cannot_see_what_is_given_are_refused(self):
        with pytest.raises(FmbenchError, match="ot-cfm"):
            commands.plan(PLUGINS, methods=["ot-cfm"], dataset="digits", task="sr")


def numbers(folder, method, *said):
    more = ("network.width=128", "network.depth=2", "train.batch_size=128", "sampler.samples=720")
    (run,) = tiny_plan(
        *more, *said, plugins=PLUGINS, methods=[method], dataset="digits-sr", metrics=["psnr", "nfe", "fid"]
    )
    carry_out([run], folder, PLUGINS)
    directory = RunDirectory.of(folder, run)
    return directory, {record.name: record for record in directory.metrics()}


@pytest.mark.parametrize("mode", ["nearest", "bicubic"])
def test_interpolation_is_measured_beside_the_right_images(tmp_path, dataset, mode):
    """Twice through the 360 test images, in batches of 64: a shift of one would show."""
    directory, found = numbers(tmp_path, mode)
    given = dataset.given(dataset.test).double()
    larger = torch.nn.functional.interpolate(given, size=(8, 8), mode=mode).clamp(-1, 1 - 1e-6)
    expected = psnr(dataset.transform.decode(larger), dataset.test, 16)
    assert found["psnr"].value == pytest.approx(float(expected.mean()), abs=1e-6)
    assert found["psnr"].unit == "dB"
    assert found["nfe"].value == 0
    assert found["psnr"].n == 720
    (kept,) = (np.load(path) for path in directory.samples.glob("*.npy"))
    assert (kept == dataset.transform.decode(larger)[:100].numpy()).all()


def test_the_regression_learns_more_than_interpolation_and_a_flow_draws_what_is_given(tmp_path, dataset):
    long = ("train.steps=400", "train.warmup=20", "train.lr=3e-3", "train.ema=0.98")
    _, regression = numbers(tmp_path, "regression", *long)
    _, flow = numbers(tmp_path, "fm-ot", *long)
    _, bicubic = numbers(tmp_path, "bicubic")
    assert regression["psnr"].value > bicubic["psnr"].value + 0.5
    assert regression["nfe"].value == 1
    assert regression["psnr"].value > flow["psnr"].value  # the mean has the least squared error
    strangers = psnr(dataset.test.roll(1, dims=0), dataset.test, 16)
    assert flow["psnr"].value > float(strangers.mean()) + 1
