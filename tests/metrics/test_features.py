"""Sets of samples and their features: what is refused, what is warned of, and that a fault costs one cell."""

from __future__ import annotations

import pytest
import torch

from fmbench.api import Dataset, Extractor, ExtractorSpec, FmbenchError, Levels
from fmbench.metrics.features import Features
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, numbers, tiny_plan


class Means(Extractor):
    """Four features: the means of the quarters."""

    def __init__(self, device, fault=None):
        super().__init__("means", "0" * 64, (1, 8, 8), 17, device)
        self.fault = fault

    def features(self, images):
        quarters = torch.nn.functional.avg_pool2d(images.float(), 4).flatten(1)
        if self.fault == "nan":
            quarters[0, 0] = torch.nan
        return quarters


def broken(device):
    return Means(device, "nan")


def other_weights(device):
    extractor = Means(device)
    extractor.sha256 = "1" * 64
    return extractor


@pytest.fixture
def plugins():
    found = load_plugins(environ={})
    for name, factory in (("means", "Means"), ("broken", "broken"), ("other", "other_weights")):
        found.register(ExtractorSpec(name, f"{__name__}:{factory}", sha256="0" * 64, dimension=4))
    return found


def records(root, run):
    return {record.name: record for record in RunDirectory.of(root, run).metrics()}


def test_an_extractor_is_a_plugin_with_columns_of_its_own(plugins, tmp_path):
    runs = tiny_plan("fid.features=means", plugins=plugins, methods=["gaussian"], metrics=["fid", "kid"])
    outcome = carry_out(runs, tmp_path, plugins)
    found = records(tmp_path, runs[0])
    assert (found["fid"].family, found["kid"].family) == ("means", "digits-v1")
    assert found["fid"].protocol["features"] == "means"
    assert found["fid-ratio"].value == pytest.approx(found["fid"].value / found["fid-floor"].value)
    assert outcome.complete


@pytest.mark.parametrize(("levels", "white"), [(2, 1), (17, 16), (256, 255)])
def test_images_are_shown_on_the_levels_of_the_extractor(levels, white):
    """Black is black and white white: else FID of digits by Inception would be that of nearly black pictures."""
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    images[:2] = white
    images[3, 0, 0, 0] = white // 2
    extractor = Means(torch.device("cpu"))
    extractor.levels = 256
    features = Features(extractor, Dataset("made-up", images, images, Levels(levels)))
    assert features(images).rows[[0, 2], 0].tolist() == [255, 0]
    assert features(images).rows[3, 0] == pytest.approx(round(255 * (white // 2) / white) / 16)


def test_images_of_more_levels_than_it_takes_are_refused():
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)  # though all are dark enough
    features = Features(Means(torch.device("cpu")), Dataset("made-up", images, images, Levels(256)))
    with pytest.raises(FmbenchError, match="features means take images of 17 levels, and made-up has 256"):
        features(images)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "features hold values that are not finite"),
        ("other", "its weights are 111111111111..., its spec says"),
    ],
)
def test_a_fault_of_an_extractor_is_one_cell_with_its_reason(plugins, tmp_path, name, reason):
    runs = tiny_plan(f"fid.features={name}", plugins=plugins, methods=["gaussian"], metrics=["fid", "kid", "nfe"])
    outcome = carry_out(runs, tmp_path, plugins)
    found = records(tmp_path, runs[0])
    assert not outcome.complete
    assert found["fid"].value is None
    assert reason in found["fid"].reason
    assert found["kid"].value is not None


def test_too_few_samples_are_refused_and_few_are_warned_of(tmp_path):
    few, enough, plenty = (
        tiny_plan(f"sampler.samples={n}", methods=["gaussian"], metrics=["fid"])[0] for n in (127, 128, 640)
    )
    carry_out([few, enough, plenty], tmp_path)
    found = {
        (record.protocol["sampler"]["samples"], record.name): record
        for record in RunDirectory.of(tmp_path, few).metrics()
    }
    assert "127 images are too few for digits-v1's 64 dimensions: at least 128" in found[127, "fid"].reason
    assert found[128, "fid"].details["warning"] == "n < 10 d = 640"
    assert "warning" not in found[640, "fid"].details
    assert found[640, "fid-floor"].details["warning"]  # 360 held-out images


def test_several_sets_give_a_mean_with_its_error(tmp_path):
    one, three = (tiny_plan(f"sampler.draws={k}", methods=["gaussian"], metrics=["fid"])[0] for k in (1, 3))
    carry_out([one], tmp_path / "one")
    carry_out([three], tmp_path / "three")
    single, several = records(tmp_path / "one", one)["fid"], records(tmp_path / "three", three)["fid"]
    sets = several.details["sets"]
    assert sets[0] == single.value  # the first set is the same whatever their number
    assert len(set(sets)) == 3
    assert several.value == pytest.approx(sum(sets) / 3)
    assert several.error == pytest.approx(torch.tensor(sets).double().std().item() / 3**0.5)
    assert single.error is None


def test_samples_that_are_not_finite_are_never_scored(tmp_path, monkeypatch):
    """Levels have no nan: decoded, such a sample would be a black image like another."""
    from fmbench_plugins.controls import Gaussian

    draw = Gaussian.sample

    def spoilt(self, *arguments):
        samples = draw(self, *arguments)
        samples[3] = torch.nan
        return samples

    monkeypatch.setattr(Gaussian, "sample", spoilt)
    (run,) = tiny_plan(methods=["gaussian"], metrics=["fid", "nll"])
    assert not carry_out([run], tmp_path).complete
    assert numbers(tmp_path, run)["fid"] is None
    assert "not finite" in records(tmp_path, run)["fid"].reason
    assert numbers(tmp_path, run)["nll"] is not None


def test_an_unknown_extractor_is_one_line(plugins):
    from fmbench.errors import FmbenchError

    with pytest.raises(FmbenchError, match=r"unknown feature extractor 'digits-v9'\. Did you mean 'digits-v1'"):
        tiny_plan("fid.features=digits-v9", methods=["gaussian"])
