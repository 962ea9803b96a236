"""What the Frechet distance sees: python benchmarks/corruptions.py. Prints a Markdown table a dataset.

Each row is the distance of so many real images, spoilt in one way, to the training split. Data whose files are not on
the machine are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fmbench.data import earth, fashion_mnist
from fmbench.data.base import Dataset
from fmbench.metrics.features import Features, sufficient
from fmbench.metrics.frechet import frechet_distance
from fmbench.metrics.seals import Seals
from fmbench.registry.discovery import load_plugins

SEED = 0
RIDGE = 1e-3  # added to the variance of a pixel, in squared levels: some pixels never change


def noisy(images: Tensor, sigma: float, top: int, generator: torch.Generator) -> Tensor:
    """Gaussian noise; sigma is on the scale on which black is -1 and white 1."""
    return levels(images + sigma * top / 2 * torch.randn(images.shape, generator=generator), top)


def blurred(images: Tensor, top: int) -> Tensor:
    """Each pixel the mean of the nine around it."""
    return levels(avg_pool2d(images.float(), 3, stride=1, padding=1), top)


def gaussian(train: Tensor, n: int, top: int, generator: torch.Generator) -> Tensor:
    """Draws from the Gaussian of the training pixels' mean and covariance."""
    pixels = train.double().flatten(1)
    mean = pixels.mean(dim=0)
    covariance = torch.cov(pixels.T) + RIDGE * torch.eye(len(mean), dtype=torch.float64)
    normal = torch.randn(n, len(mean), generator=generator, dtype=torch.float64)
    return levels(mean + normal @ torch.linalg.cholesky(covariance).T, top).reshape(n, *train.shape[1:])


def levels(images: Tensor, top: int) -> Tensor:
    """The nearest grey levels."""
    return images.round().clamp(0, top).to(torch.uint8)


def corruptions(dataset: Dataset) -> Mapping[str, Tensor]:
    """Spoilt images by what was done to them, the untouched ones first."""
    generator = torch.Generator().manual_seed(SEED)
    test, labels, top = dataset.test, dataset.test_labels, int(dataset.train.max())
    # Evenly among the classes, as the held-out images are: a random choice is further from the whole by its classes.
    n = len(dataset.train)
    in_order = torch.arange(n) if labels is None else torch.argsort(dataset.train_labels, stable=True)
    copied = in_order[torch.linspace(0, n - 1, len(test)).long()]
    dropped = {} if labels is None else {"one class of ten": test[labels >= 1], "five classes": test[labels >= 5]}
    return {
        "none (the floor)": test,
        "copies of training images": dataset.train[copied],
        "noise, σ = 0.1": noisy(test, 0.1, top, generator),
        "noise, σ = 0.3": noisy(test, 0.3, top, generator),
        "3 × 3 blur": blurred(test, top),
        **{f"{what} dropped": images for what, images in dropped.items()},
        "a Gaussian of the training pixels": gaussian(dataset.train, len(test), top, generator),
    }


def distances(name: str) -> dict[str, tuple[int, float]]:
    """How many images and their distance, by what was done to them."""
    plugins = load_plugins(environ={})
    spec = plugins.datasets.get(name)
    dataset = spec.load()()
    features = Features.of(plugins.extractors.get(spec.features), dataset, torch.device("cpu"), Seals())
    return {
        what: (len(images), frechet_distance(sufficient(features(images), features.extractor), features.reference))
        for what, images in corruptions(dataset).items()
    }


def table(name: str) -> str:
    """The Markdown table of a dataset."""
    found = distances(name)
    _, floor = next(iter(found.values()))
    rows = [f"| {what} | {n} | {distance:.2f} | {distance / floor:.1f} |" for what, (n, distance) in found.items()]
    return "\n".join([f"| {name}: held-out images, spoilt | n | FD | FD / floor |", "|:--|--:|--:|--:|", *rows])


if __name__ == "__main__":
    here = {"digits": True, "fashion-mnist": fashion_mnist.SOURCE.present, "earth32": earth.SOURCE.present}
    print("\n\n".join(table(name) for name, present in here.items() if present))
