"""The configurations of the papers: they resolve to the papers' settings, and train."""

from __future__ import annotations

import pytest
import torch

from fmbench import commands
from fmbench.data import cifar, imagenet
from fmbench.data.base import Dataset, Levels
from fmbench.networks.unet import UNet
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out

PAPERS = ["cifar10-paper", "imagenet32-paper", "imagenet64-paper", "cifar10-tong", "cifar10-budget"]
TINY = ("network.channels=4", "network.layers=1", "train.batch_size=4", "train.warmup=2")


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(environ={})


def weights(run, shape):
    with torch.device("meta"):
        network = UNet(shape, **run.training.network.options)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ["cifar10-tong", "cifar10-budget"])
def test_the_network_of_ddpm_is_as_large_as_its_paper_says(plugins, name):
    """Ho et al. 2020, appendix B: 35.7 million parameters."""
    run = commands.plan(plugins, config=name)[0]
    assert weights(run, (3, 32, 32)) == pytest.approx(35.7e6, rel=0.01)


@pytest.mark.parametrize(
    ("name", "epochs", "images", "draws"),
    [
        ("cifar10-paper", 1000 * 2, 50_000, 50),
        ("imagenet32-paper", 200, 1_281_167, 15),
        ("imagenet64-paper", 250, 1_281_167, 10),
    ],
)
def test_steps_and_batches_make_the_epochs_of_the_paper(plugins, name, epochs, images, draws):
    """Lipman et al. 2023, Table 3: its 391k iterations of 256 on CIFAR-10 are twice the 1000 epochs that it states."""
    for run in commands.plan(plugins, config=name):
        train, evaluation = run.training.train, run.evaluation
        assert train.steps * train.batch_size == pytest.approx(epochs * images, rel=0.03)
        assert evaluation.metrics["nll"]["draws"] == draws
        assert (evaluation.sampler.samples, evaluation.sampler.rtol, evaluation.sampler.atol) == (50_000, 1e-5, 1e-5)
        assert evaluation.sampler.name == "dopri5"


def test_every_method_has_the_same_budget_of_flops(plugins):
    runs = commands.plan(plugins, config="cifar10-budget")
    assert {run.training.budget.flops for run in runs} == {1.911e18}
    assert {run.training.method.name for run in runs} == {
        run.training.method.name for run in commands.plan(plugins, config="digits-all")
    }
    assert {run.training.seed for run in runs} == {0, 1, 2}


@pytest.mark.parametrize("name", PAPERS)
def test_it_trains_at_tiny_width(plugins, name, tmp_path, monkeypatch):
    def pictures(side, classes):
        chance = torch.Generator().manual_seed(0)
        levels = torch.randint(0, 256, (12, 3, side, side), generator=chance, dtype=torch.uint8)
        labels = torch.arange(12) % classes
        return Dataset("made-up", levels[:8], levels[8:], Levels(256), labels[:8], labels[8:])

    monkeypatch.setattr(cifar, "cifar10", lambda: pictures(32, 10))
    monkeypatch.setattr(imagenet, "imagenet32", lambda: pictures(32, 1000))
    monkeypatch.setattr(imagenet, "imagenet64", lambda: pictures(64, 1000))
    length = "budget.flops=5e9" if name == "cifar10-budget" else "train.steps=20"
    (run,) = commands.plan(plugins, config=name, assignments=[*TINY, length], methods=["fm-ot"], metrics=[], seeds=[0])
    carry_out([run], tmp_path, plugins)
    directory = RunDirectory.of(tmp_path, run)
    steps = directory.training().images / 4
    assert steps >= 20
    assert directory.training().final_loss > 0
