"""What fmbench itself offers through its hooks: datasets, networks and metrics. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.hookspecs import hookimpl
from fmbench.specs import DatasetSpec, ExtractorSpec, MetricSpec, NetworkSpec, Option, Scalar

PLANAR_BUDGET: Mapping[str, Scalar] = {
    "train.steps": 4000,
    "train.batch_size": 512,
    "network.width": 128,
    "network.depth": 3,
    "network.time_width": 64,
    "nll.batch_size": 2500,
    "vlb.batch_size": 2500,
    "sampler.batch_size": 2500,
}


FEATURES: Mapping[str, Option] = {
    "features": Option(default="dataset", extractor=True, help="feature extractor; dataset: the dataset's own")
}


def planar(name: str, function: str, summary: str) -> DatasetSpec:
    """A two-dimensional dataset with a known density."""
    return DatasetSpec(
        name,
        f"fmbench.data.planar:{function}",
        summary=summary,
        licence="generated here; no terms",
        known_density=True,
        budget=PLANAR_BUDGET,
    )


@hookimpl
def fmbench_datasets() -> list[DatasetSpec]:
    """The embedded data: nothing is downloaded."""
    return [
        DatasetSpec(
            "digits",
            "fmbench.data.digits:digits",
            summary="1797 scanned digits, 8x8, 17 grey levels; 1437 train, 360 test",
            kind="image",
            features="digits-v1",
            classes=10,
            licence="UCI Optical Recognition of Handwritten Digits, CC BY 4.0",
        ),
        planar("8gaussians", "eight_gaussians", "eight Gaussians on a circle"),
        planar("checkerboard", "checkerboard", "uniform on the dark cells of a checkerboard"),
        planar("moons", "moons", "two interleaved half circles, blurred"),
        planar("gaussian-2d", "gaussian_2d", "one correlated Gaussian"),
    ]


@hookimpl
def fmbench_networks() -> list[NetworkSpec]:
    """Networks for vectors and images."""
    return [
        NetworkSpec(
            "mlp",
            "fmbench.networks.mlp:ResidualMLP",
            summary="residual, time-modulated multilayer perceptron",
            conditional=True,
            options={
                "width": Option(default=256, ge=1, help="units of a hidden layer"),
                "depth": Option(default=3, ge=0, help="residual blocks"),
                "time_width": Option(default=128, ge=2, help="units of the time embedding"),
            },
        ),
        NetworkSpec(
            "unet",
            "fmbench.networks.unet:UNet",
            summary="convolutional U-Net for square images (diffusers' UNet2DModel)",
            kinds=("image",),
            conditional=True,
            options={
                "channels": Option(default=32, ge=4, help="channels at full resolution, a multiple of 4"),
                "levels": Option(default=2, ge=1, help="resolutions"),
                "layers": Option(default=1, ge=1, help="residual blocks at each resolution"),
                "attention": Option(default=False, help="self-attention at the lowest resolution"),
                "dropout": Option(default=0.0, ge=0, lt=1, help="probability of dropping a feature"),
            },
        ),
    ]


@hookimpl
def fmbench_metrics() -> list[MetricSpec]:
    """The numbers of the table."""
    batch = Option(default=256, ge=1, help="points solved together; adaptive steps depend on it")
    return [
        MetricSpec(
            "nll",
            "fmbench.metrics.nll:NLL",
            summary="negative log-likelihood of the test set; bits/dim for images, nats for points",
            likelihood=("exact", "pf-ode", "truncated"),
            options={
                "draws": Option(default=1, ge=1, help="K, dequantisation draws combined by log-mean-exp"),
                "probes": Option(default=4, ge=1, help="Rademacher probes of the trace"),
                "exact_up_to": Option(default=16, ge=0, help="dimensions up to which the trace is exact"),
                "rtol": Option(default=1e-5, gt=0, help="relative tolerance of dopri5"),
                "atol": Option(default=1e-5, gt=0, help="absolute tolerance of dopri5"),
                "batch_size": batch,
            },
        ),
        MetricSpec(
            "vlb",
            "fmbench.metrics.nll:VariationalBound",
            summary="variational bound on the test set's NLL, where a method has one",
            likelihood=("vlb",),
            options={"batch_size": Option(default=512, ge=1, help="points bounded together")},
        ),
        MetricSpec(
            "fid",
            "fmbench.metrics.fid:FID",
            summary="Frechet distance between features of generated and training images",
            kinds=("image",),
            samples=True,
            options=FEATURES,
        ),
        MetricSpec("nfe", "fmbench.metrics.nfe:NFE", summary="network evaluations a sample", samples=True),
    ]


@hookimpl
def fmbench_extractors() -> list[ExtractorSpec]:
    """Frozen networks for FID and its kin."""
    return [
        ExtractorSpec(
            "digits-v1",
            "fmbench.metrics.extractors.embedded:digits_v1",
            summary="small classifier of the 8 x 8 digits",
            sha256="4ffba8481eddf31a5779eba5f0124fcb6624230d6bda3795d8bd892fdcd8b818",
            dimension=64,
        ),
        ExtractorSpec(
            "inception",
            "fmbench.metrics.extractors.inception:inception",
            summary="the Inception network of published FIDs, through clean-fid; weights fetched when first used",
            sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            dimension=2048,
        ),
    ]
