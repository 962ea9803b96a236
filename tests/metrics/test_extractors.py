from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import torch

from fmbench.data import fashion_mnist
from fmbench.data.digits import digits
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import embedded, inception, load_extractor
from fmbench.metrics.frechet import accumulated, frechet_distance, statistics
from fmbench.registry.digests import EXTRACTORS
from fmbench.registry.discovery import load_plugins

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset():
    return digits()


@pytest.fixture(scope="module")
def extractor():
    return load_extractor(load_plugins(environ={}).extractors.get("digits-v1"), CPU)


@pytest.fixture(scope="module")
def fashion():
    return load_extractor(load_plugins(environ={}).extractors.get("fashion-v1"), CPU)


@pytest.fixture(scope="module")
def clothes():
    if not fashion_mnist.SOURCE.present:
        pytest.skip("Fashion-MNIST is not on this machine")
    return fashion_mnist.fashion_mnist()


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


class TestFashion:
    def test_golden_features(self, fashion):
        pattern = (torch.arange(3 * 784).reshape(3, 1, 28, 28) * 7 % 256).to(torch.uint8)
        features = fashion(pattern)
        assert features.shape == (3, 64)
        torch.testing.assert_close(features[:, :3], torch.tensor(GOLDEN_FASHION), rtol=1e-4, atol=1e-5)

    def test_it_is_small(self):
        assert (embedded.FOLDER / "fashion-v1.safetensors").stat().st_size < 1_000_000

    def test_shipped_reference_is_that_of_the_training_split(self, fashion, clothes):
        shipped, fresh = fashion.reference(clothes), accumulated(fashion.blocks(clothes.train)).result()
        assert shipped.n == fresh.n == 60_000
        torch.testing.assert_close(shipped.mean, fresh.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(shipped.covariance, fresh.covariance, rtol=1e-4, atol=1e-6)
        assert shipped.covariance.trace().item() == pytest.approx(64, rel=1e-4)

    def test_it_classifies_held_out_clothes(self, fashion, clothes):
        with torch.no_grad():
            blocks = [fashion.network(embedded.to_input(block, 256)) for block in clothes.test.split(1000)]
        accuracy = (torch.cat(blocks).argmax(1) == clothes.test_labels).double().mean().item()
        facts = json.loads((embedded.FOLDER / "fashion-v1.json").read_text())
        assert accuracy == pytest.approx(facts["test_accuracy"], abs=2e-4)
        assert accuracy > 0.9


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


@pytest.mark.parametrize("name", ["digits-v1", "fashion-v1"])
class TestDamage:
    @pytest.fixture
    def folder(self, name, tmp_path):
        for suffix in ("safetensors", "json"):
            shutil.copy(embedded.FOLDER / f"{name}.{suffix}", tmp_path)
        return tmp_path

    def refused(self, name, folder, text, digest=None):
        with pytest.raises(FmbenchError, match=text) as error:
            embedded.Embedded(name, digest or EXTRACTORS[name], CPU, folder)
        assert "\n" not in str(error.value)

    def test_truncated(self, name, folder):
        path = folder / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(name, folder, r"SHA-256 .* reinstall fmbench")

    def test_truncated_with_a_digest_to_match(self, name, folder):
        path = folder / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(name, folder, "is damaged", hashlib.sha256(path.read_bytes()).hexdigest())

    def test_another_digest_than_asked_for(self, name, folder):
        self.refused(name, folder, "not 000000000000", "0" * 64)

    def test_absent(self, name, folder):
        (folder / f"{name}.safetensors").unlink()
        self.refused(name, folder, "reinstall fmbench")

    def test_the_facts_name_the_same_file(self, name):
        facts = json.loads((embedded.FOLDER / f"{name}.json").read_text())
        assert facts["sha256"] == EXTRACTORS[name]


def test_weights_that_are_not_those_of_the_spec():
    spec = replace(load_plugins(environ={}).extractors.get("digits-v1"), sha256="0" * 64)
    with pytest.raises(FmbenchError, match=r"its weights are 4ffba8481edd\.\.\., its spec says 000000000000"):
        load_extractor(spec, CPU)


def test_an_unknown_extractor():
    with pytest.raises(FmbenchError, match="Did you mean 'digits-v1'"):
        load_plugins(environ={}).extractors.get("digits-v2")


class TestInception:
    """The adapter, on a stand-in file: the real weights are fetched by whoever has a network."""

    @pytest.fixture(autouse=True)
    def machine(self, tmp_path, monkeypatch):
        """Nothing cached, nothing set, and a web that is a folder."""
        monkeypatch.delenv("FMBENCH_INCEPTION", raising=False)
        monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("cleanfid.downloads_helper.inception_url", (tmp_path / "web").as_uri())

    def test_weights_that_cannot_be_fetched_are_unavailable_with_what_to_do(self, tmp_path):
        with pytest.raises(Unavailable) as error:
            inception.inception(CPU)
        text = str(error.value)
        assert "\n" not in text
        assert text.startswith(f"no Inception weights: cannot fetch file://{tmp_path}/web (")
        assert f"by hand at {tmp_path}/cache/inception-2015-12-05.pt (SHA-256 {EXTRACTORS['inception']})" in text
        assert "or set FMBENCH_INCEPTION to the path of inception-2015-12-05.pt" in text

    @pytest.mark.parametrize(("named", "end"), [("", r"\)$"), ("/nowhere/x.pt", "; there is no /nowhere/x.pt$")])
    def test_a_name_of_nothing_is_unavailable_and_nothing_is_fetched(self, monkeypatch, tmp_path, named, end):
        (tmp_path / "web").write_bytes(b"never asked for")
        monkeypatch.setenv("FMBENCH_INCEPTION", named)
        with pytest.raises(Unavailable, match=r"set FMBENCH_INCEPTION to the path of inception-2015-12-05\.pt.*" + end):
            inception.inception(CPU)

    def test_they_are_fetched_once(self, tmp_path):
        (tmp_path / "web").write_bytes(b"weights")
        sha256 = hashlib.sha256(b"weights").hexdigest()
        for _ in range(2):
            assert inception.locate(sha256) == tmp_path / "cache" / inception.FILE
            (tmp_path / "web").unlink(missing_ok=True)
        assert (tmp_path / "cache" / inception.FILE).read_bytes() == b"weights"

    @pytest.mark.parametrize("cached", [False, True])
    def test_a_wrong_digest_is_refused(self, tmp_path, monkeypatch, cached):
        path = tmp_path / "cache" / inception.FILE
        path.parent.mkdir()
        path.write_bytes(b"not the weights")
        if not cached:
            monkeypatch.setenv("FMBENCH_INCEPTION", str(path))
        with pytest.raises(FmbenchError, match=r"SHA-256 is .* delete it and fetch it again"):
            inception.inception(CPU)

    def test_a_file_of_another_name_is_refused(self, tmp_path, monkeypatch):
        (tmp_path / "inception.pt").write_bytes(b"weights")
        monkeypatch.setenv("FMBENCH_INCEPTION", str(tmp_path / "inception.pt"))
        with pytest.raises(FmbenchError, match=r"inception\.pt: .* only from a file called inception-2015-12-05\.pt"):
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
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        extractor = inception.Inception(path, digest, CPU)
        with pytest.raises(FmbenchError, match="inception take images of 1 or 3 channels, not 4"):
            extractor(torch.zeros((2, 4, 32, 32), dtype=torch.uint8))
        images = torch.full((2, channels, 32, 32), 200, dtype=torch.uint8)
        features = extractor(images)
        assert features.shape == (2, 2048)
        # clean-fid's wrapper maps pixels to (x - 128) / 128 before the network.
        torch.testing.assert_close(features, torch.full((2, 2048), (200 - 128) / 128), rtol=1e-4, atol=1e-4)


GOLDEN = [[-0.17852, -0.09021, -0.29773], [-0.11286, 0.13507, 0.00041], [-0.26904, -0.2327, -0.32481]]
GOLDEN_FASHION = [[0.14817, -0.13733, 0.36428], [-0.06812, 0.07005, 0.29843], [-0.27932, 0.25094, 0.86948]]
