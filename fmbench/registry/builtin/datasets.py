"""The shipped datasets."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import DatasetSpec, Scalar

PLANAR_BUDGET: Mapping[str, Scalar] = {
    "train.steps": 4000,
    "train.batch_size": 512,
    "network.width": 128,
    "network.depth": 3,
    "network.time_width": 64,
    "nll.batch_size": 2500,
    "vlb.batch_size": 2500,
    "sampler.batch_size": 2500,
    "sampler.draws": 1,  # errors come from blocks of the set
}

FASHION_BUDGET: Mapping[str, Scalar] = {
    "train.steps": 3000,
    "train.batch_size": 128,
    "network.name": "unet",
    "nll.batch_size": 250,
}


def planar(name: str, function: str, summary: str) -> DatasetSpec:
    """A two-dimensional dataset with a known density."""
    return DatasetSpec(
        name,
        f"fmbench.data.planar:{function}",
        summary=summary,
        licence="generated here; no terms",
        shape=(2,),
        known_density=True,
        budget=PLANAR_BUDGET,
    )


@hookimpl
def fmbench_datasets() -> list[DatasetSpec]:
    """The embedded data, for which nothing is downloaded, and Fashion-MNIST."""
    return [
        DatasetSpec(
            "digits",
            "fmbench.data.digits:digits",
            summary="1797 scanned digits, 8x8, 17 grey levels; 1437 train, 360 test",
            kind="image",
            features="digits-v1",
            classes=10,
            shape=(1, 8, 8),
            budget={"sampler.samples": 5000},  # three sets of them within the minutes that training takes
            licence="UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
        ),
        DatasetSpec(
            "fashion-mnist",
            "fmbench.data.fashion_mnist:fashion_mnist",
            summary="70 000 pictures of clothes, 28x28, 256 grey levels; 60 000 train; fetched if not here",
            kind="image",
            features="fashion-v1",
            classes=10,
            shape=(1, 28, 28),
            licence="MIT (Zalando SE)",
            budget=FASHION_BUDGET,
        ),
        planar("8gaussians", "eight_gaussians", "eight Gaussians on a circle"),
        planar("checkerboard", "checkerboard", "uniform on the dark cells of a checkerboard"),
        planar("moons", "moons", "two interleaved half circles, blurred"),
        planar("gaussian-2d", "gaussian_2d", "one correlated Gaussian"),
    ]
