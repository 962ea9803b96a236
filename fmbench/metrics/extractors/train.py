"""Trains a shipped feature extractor: python -m fmbench.metrics.extractors.train NAME FOLDER.

A shipped artifact is never replaced: training does not repeat to the bit elsewhere, and a new file is a new version.
The weights are rounded to float16 values before the statistics are taken, so the file and its numbers agree.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from fmbench.data import digits, fashion_mnist
from fmbench.data.base import Dataset
from fmbench.errors import FmbenchError, unknown
from fmbench.metrics.extractors.embedded import SmallClassifier, to_input
from fmbench.metrics.frechet import Statistics, accumulated

SEED, RATE, DECAY = 0, 2e-3, 1e-2
NOISE, SMOOTHING = 0.1, 0.1  # of the inputs' Gaussian noise; of the labels
BLOCK = 2048  # images at once where nothing is learnt


@dataclass(frozen=True)
class Recipe:
    """How one extractor is made.

    Args:
        dataset: what loads its data.
        levels: of their grey.
        steps: of training.
        batch: images a step.
        terms: of the data.
    """

    dataset: Callable[[], Dataset]
    levels: int
    steps: int
    batch: int
    terms: str


RECIPES = {
    "digits-v1": Recipe(
        digits.digits, digits.LEVELS, 3000, 128, "UCI Optical Recognition of Handwritten Digits, CC BY 4.0"
    ),
    "fashion-v1": Recipe(
        fashion_mnist.fashion_mnist, fashion_mnist.LEVELS, 1400, 256, "Fashion-MNIST, MIT (Zalando SE)"
    ),
}


def train(dataset: Dataset, labels: Tensor, recipe: Recipe) -> SmallClassifier:
    """A classifier of the training split, its weights rounded to float16 values."""
    torch.manual_seed(SEED)
    network = SmallClassifier(dataset.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    loss_of = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    for _ in range(recipe.steps):
        chosen = torch.randint(0, len(labels), (recipe.batch,))
        images = to_input(dataset.train[chosen], recipe.levels)
        optimiser.zero_grad()
        loss_of(network(images + NOISE * torch.randn(images.shape)), labels[chosen]).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
        trace = reference_of(network, dataset, recipe).covariance.trace()
        network.scale.copy_((network.embed.out_features / trace).sqrt())
    return network.eval()


def reference_of(network: SmallClassifier, dataset: Dataset, recipe: Recipe) -> Statistics:
    """The statistics of the training split's features."""
    blocks = dataset.train.split(BLOCK)
    return accumulated(network.features(to_input(block, recipe.levels)) for block in blocks).result()


def accuracy(network: SmallClassifier, dataset: Dataset, labels: Tensor, recipe: Recipe) -> float:
    """Share of the held-out images whose class is found."""
    blocks = dataset.test.split(BLOCK)
    predicted = torch.cat([network(to_input(block, recipe.levels)).argmax(dim=1) for block in blocks])
    return float((predicted == labels).double().mean())


@torch.no_grad()
def artifact(name: str, dataset: Dataset, network: SmallClassifier, recipe: Recipe) -> tuple[bytes, dict[str, object]]:
    """The safetensors file and the facts about it."""
    if dataset.test_labels is None:
        raise FmbenchError(f"{dataset.name}: no labels to test a classifier on")
    reference = reference_of(network, dataset, recipe)
    tensors: dict[str, Tensor] = {f"net.{key}": value.half() for key, value in network.named_parameters()}
    tensors |= {
        "net.scale": network.scale,
        "reference.mean": reference.mean,
        "reference.covariance": reference.covariance,
    }
    content = save(tensors)
    return content, {
        "name": name,
        "licence": f"Apache-2.0 (weights); data: {recipe.terms}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "shape": dataset.shape,
        "levels": recipe.levels,
        "dimension": network.embed.out_features,
        "classes": network.classify.out_features,
        "reference_n": reference.n,
        "data_sha256": dataset.digest(),
        "test_accuracy": round(accuracy(network, dataset, dataset.test_labels, recipe), 4),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seed": SEED,
        "script": f"python -m fmbench.metrics.extractors.train {name}",
    }


def main(name: str, folder: Path) -> None:
    """Train, and write the artifact's two files into a folder.

    Raises:
        FmbenchError: there is no recipe of that name.
    """
    if name not in RECIPES:
        raise unknown("extractor to train", name, RECIPES)
    recipe = RECIPES[name]
    dataset = recipe.dataset()
    if dataset.train_labels is None:
        raise FmbenchError(f"{dataset.name}: no labels to train a classifier on")
    network = train(dataset, dataset.train_labels, recipe)
    content, facts = artifact(name, dataset, network, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    Console(soft_wrap=True).print(f"{name}: accuracy {facts['test_accuracy']:.2%}, SHA-256 {facts['sha256']}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
