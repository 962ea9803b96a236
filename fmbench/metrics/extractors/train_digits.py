"""Trains the digits-v1 extractor: python -m fmbench.metrics.extractors.train_digits FOLDER.

A shipped artifact is never replaced: training does not repeat to the bit elsewhere, and a new file is a new version.
The weights are rounded to float16 values before the statistics are taken, so the file and its numbers agree.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn

from fmbench.data.base import Dataset
from fmbench.data.digits import LEVELS, digits
from fmbench.metrics.extractors.embedded import SmallClassifier, to_input
from fmbench.metrics.frechet import statistics

NAME = "digits-v1"
SEED, STEPS, BATCH, RATE = 0, 3000, 128, 2e-3
NOISE, SMOOTHING = 0.1, 0.1  # of the inputs' Gaussian noise; of the labels


def train(dataset: Dataset) -> SmallClassifier:
    """A classifier of the training split, its weights rounded to float16 values."""
    torch.manual_seed(SEED)
    network = SmallClassifier(dataset.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    loss_of = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    if dataset.train_labels is None:
        raise ValueError(f"{dataset.name} has no labels")
    images, labels = to_input(dataset.train, LEVELS), dataset.train_labels
    for _ in range(STEPS):
        chosen = torch.randint(0, len(images), (BATCH,))
        noisy = images[chosen] + NOISE * torch.randn(BATCH, *dataset.shape)
        optimiser.zero_grad()
        loss_of(network(noisy), labels[chosen]).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half())
        trace = statistics(network.features(images)).covariance.trace()
        network.scale.copy_((network.embed.out_features / trace).sqrt())
    return network.eval()


def main(folder: Path) -> None:
    """Train, and write the artifact's two files into a folder."""
    dataset = digits()
    network = train(dataset)
    with torch.no_grad():
        reference = statistics(network.features(to_input(dataset.train, LEVELS)))
        predicted = network(to_input(dataset.test, LEVELS)).argmax(dim=1)
    tensors: dict[str, Tensor] = {f"net.{key}": value.half() for key, value in network.named_parameters()}
    tensors |= {
        "net.scale": network.scale,
        "reference.mean": reference.mean,
        "reference.covariance": reference.covariance,
    }
    content = save(tensors)
    sha256 = hashlib.sha256(content).hexdigest()
    facts = {
        "name": NAME,
        "licence": "Apache-2.0 (weights); data: UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
        "sha256": sha256,
        "shape": dataset.shape,
        "levels": LEVELS,
        "dimension": network.embed.out_features,
        "classes": network.classify.out_features,
        "reference_n": reference.n,
        "data_sha256": dataset.digest(),
        "test_accuracy": round(float((predicted == dataset.test_labels).double().mean()), 4),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seed": SEED,
        "script": "python -m fmbench.metrics.extractors.train_digits",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.safetensors").write_bytes(content)
    (folder / f"{NAME}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    Console(soft_wrap=True).print(f"{NAME}: accuracy {facts['test_accuracy']:.2%}, SHA-256 {sha256}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
