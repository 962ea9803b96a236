from __future__ import annotations

import json
import shutil

import pytest
import torch

from fmbench.data.digits import digits
from fmbench.discovery import load_plugins
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import embedded, inception, load_extractor
from fmbench.metrics.frechet import frechet_distance, statistics

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset():
    return digits()


@pytest.fixture(scope="module")
def extractor():
    return load_extractor(load_plugins(environ={}).extractors.get("digits-v1"), CPU)


class TestDigits:
    def test_golden_features(self, extractor):
        """Of a fixed pattern: a change of weights, input scaling or layer shows here."""
        pattern = (torch.arange(3 * 64).reshape(3, 1, 8, 8) * 7 % 17).to(torch.uint8)
        features = extractor(pattern)
        assert features.shape == (3, 64)
        assert features.dtype == torch.float32
        torch.testing.assert_close(features[:, :3], torch.tensor(GOLDEN), rtol=1e-4, atol=1e-5)

    def test_shipped_reference_is_that_of_the_training_split(self, extractor, dataset):
        shipped, fresh = extractor.reference(dataset), statistics(extractor(dataset.train))
        assert shipped.n == fresh.n == 1437
        torch.testing.assert_close(shipped.mean, fresh.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(shipped.covariance, fresh.covariance, rtol=1e-4, atol=1e-6)
        assert shipped.covariance.trace().item() == pytest.approx(64, rel=1e-4)

    def test_reference_is_not_used_for_other_data(self, extractor, dataset):
        from dataclasses import replace

        assert extractor.reference(replace(dataset, train=dataset.train[1:])) is None

    def test_it_classifies_held_out_digits(self, extractor, dataset):
        with torch.no_grad():
            predicted = extractor.network(embedded.to_input(dataset.test, 17)).argmax(1)
        accuracy = (predicted == dataset.test_labels).double().mean().item()
        facts = json.loads((embedded.FOLDER / "digits-v1.json").read_text())
        assert accuracy == pytest.approx(facts["test_accuracy"], abs=1e-4)
        assert accuracy > 0.97

    def test_distances_order_as_they_should(self, extractor, dataset, generator):
        """The floor, then noise, one class missing, a Gaussian blob of the right moments, blur."""
        reference = extractor.reference(dataset)

        def distance(images):
            return frechet_distance(statistics(extractor(images)), reference)

        test = dataset.test
        noisy = (test + 3 * torch.randn(test.shape, generator=generator)).round().clamp(0, 16).to(torch.uint8)
        pixels = dataset.train.double().flatten(1)
        law = torch.distributions.MultivariateNormal(pixels.mean(0), torch.cov(pixels.T) + 1e-3 * torch.eye(64))
        torch.manual_seed(0)
        blob = law.sample((5000,)).round().clamp(0, 16).to(torch.uint8).reshape(-1, 1, 8, 8)
        blurred = torch.nn.functional.avg_pool2d(test.double(), 3, stride=1, padding=1).round().to(torch.uint8)
        floor, noise, dropped = distance(test), distance(noisy), distance(test[dataset.test_labels != 3])
        assert floor < min(noise, dropped)
        assert floor * 10 < distance(blob) < distance(blurred)

    def test_batching_does_not_change_features(self, extractor, dataset):
        whole = extractor(dataset.test)
        torch.testing.assert_close(whole[:7], extractor(dataset.test[:7]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (torch.zeros(2, 1, 8, 8), "not torch.float32"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"not \(3, 8, 8\)"),
        (torch.full((2, 1, 8, 8), 255, dtype=torch.uint8), "not 255"),
    ],
)
def test_images_out_of_the_declared_range_are_refused(extractor, images, text):
    with pytest.raises(FmbenchError, match=text):
        extractor(images)


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path):
        for suffix in ("safetensors", "json"):
            shutil.copy(embedded.FOLDER / f"digits-v1.{suffix}", tmp_path)
        return tmp_path

    def load(self, folder):
        return embedded.Embedded("digits-v1", embedded.DIGITS_V1_SHA256, CPU, folder)

    def test_truncated(self, folder):
        path = folder / "digits-v1.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(FmbenchError, match=r"SHA-256 .* reinstall fmbench"):
            self.load(folder)

    def test_absent(self, folder):
        (folder / "digits-v1.safetensors").unlink()
        with pytest.raises(FmbenchError, match="reinstall fmbench"):
            self.load(folder)

    def test_unknown(self):
        with pytest.raises(FmbenchError, match="Did you mean 'digits-v1'"):
            load_plugins(environ={}).extractors.get("digits-v2")


class TestInception:
    """The adapter, on a stand-in file: the real weights are fetched by whoever has a network."""

    def test_absent_weights_are_unavailable_with_what_to_do(self, monkeypatch):
        monkeypatch.delenv("FMBENCH_INCEPTION", raising=False)
        with pytest.raises(Unavailable, match=r"set FMBENCH_INCEPTION to the path of inception-2015-12-05\.pt"):
            inception.inception(CPU)

    def test_a_wrong_digest_is_refused(self, tmp_path, monkeypatch):
        path = tmp_path / inception.FILE
        path.write_bytes(b"not the weights")
        monkeypatch.setenv("FMBENCH_INCEPTION", str(path))
        with pytest.raises(FmbenchError, match="SHA-256 is"):
            inception.inception(CPU)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    @pytest.mark.parametrize("channels", [1, 3])
    def test_images_are_resized_and_passed_on_as_0_to_255(self, tmp_path, channels):
        class Layers(torch.nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048]

        class StandIn(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = Layers()

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.layers(x)

        path = tmp_path / inception.FILE
        torch.jit.script(StandIn()).save(str(path))
        import hashlib

        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        extractor = inception.Inception(path, digest, CPU)
        images = torch.full((2, channels, 32, 32), 200, dtype=torch.uint8)
        features = extractor(images)
        assert features.shape == (2, 2048)
        # clean-fid's wrapper maps pixels to (x - 128) / 128 before the network.
        torch.testing.assert_close(features, torch.full((2, 2048), (200 - 128) / 128), rtol=1e-4, atol=1e-4)


GOLDEN = [[-0.17852, -0.09021, -0.29773], [-0.11286, 0.13507, 0.00041], [-0.26904, -0.2327, -0.32481]]
