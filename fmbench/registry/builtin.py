"""What fmbench itself offers through its hooks: datasets, networks and metrics. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.registry.digests import EXTRACTORS
from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import DatasetSpec, ExtractorSpec, MetricSpec, NetworkSpec, Option, Scalar

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
    """The embedded data, for which nothing is downloaded, and Fashion-MNIST."""
    return [
        DatasetSpec(
            "digits",
            "fmbench.data.digits:digits",
            summary="1797 scanned digits, 8x8, 17 grey levels; 1437 train, 360 test",
            kind="image",
            features="digits-v1",
            classes=10,
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
            licence="MIT (Zalando SE)",
            budget=FASHION_BUDGET,
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
                "solver": Option(
                    default="dopri5",
                    choices=("dopri5", "euler", "midpoint", "heun", "rk4"),
                    help="ODE solver; a fixed-step one is refused unless halving its step changes next to nothing",
                ),
                "steps": Option(default=100, ge=1, help="steps of a fixed-step solver"),
                "rtol": Option(default=1e-5, gt=0, help="relative tolerance of dopri5"),
                "atol": Option(default=1e-5, gt=0, help="absolute tolerance of dopri5"),
                "batch_size": batch,
                "checked": Option(default=64, ge=1, help="points solved again at a tenth of the tolerances"),
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
        MetricSpec(
            "kid",
            "fmbench.metrics.kid:KID",
            summary="kernel distance between features of generated and training images; unbiased at small n",
            kinds=("image",),
            samples=True,
            options=FEATURES,
        ),
        MetricSpec(
            "prdc",
            "fmbench.metrics.prdc:PRDC",
            summary="precision, recall, density and coverage of generated images among training images",
            kinds=("image",),
            samples=True,
            options={
                **FEATURES,
                "neighbours": Option(default=5, ge=1, help="k, which sets the size of neighbourhoods"),
            },
        ),
        MetricSpec(
            "fid-inf",
            "fmbench.metrics.fid:FIDInfinity",
            summary="FID extrapolated to infinitely many samples",
            kinds=("image",),
            samples=True,
            options={**FEATURES, "points": Option(default=15, ge=2, help="sizes that the line goes through")},
            default=False,
        ),
        MetricSpec(
            "memorisation",
            "fmbench.metrics.memorisation:Memorisation",
            summary="distance of samples to the nearest training image, over that of held-out images",
            kinds=("image",),
            samples=True,
        ),
        MetricSpec("nfe", "fmbench.metrics.nfe:NFE", summary="network evaluations a sample, and seconds", samples=True),
        MetricSpec(
            "nfe-per-sample",
            "fmbench.metrics.nfe:PerSampleNFE",
            summary="NFE of dopri5 when each sample has its own steps (needs torchode)",
            samples=True,
            provides="velocity",
            options={"samples": Option(default=256, ge=2, help="samples solved")},
            default=False,
        ),
        MetricSpec(
            "curve",
            "fmbench.metrics.quality:SamplingCurve",
            summary="FID (or W2) of a fixed-step solver at 5, 10, 20, 50 and 100 NFE",
            samples=True,
            provides="velocity",
            options={
                **FEATURES,
                "solver": Option(default="euler", choices=("euler", "midpoint", "heun", "rk4"), help="the solver"),
            },
            default=False,
        ),
        MetricSpec(
            "learning-curve",
            "fmbench.metrics.quality:LearningCurve",
            summary="FID (or W2) by the weights kept during training (run --snapshots 8)",
            samples=True,
            options=FEATURES,
            default=False,
        ),
        MetricSpec(
            "portrait",
            "fmbench.metrics.portrait:Portrait",
            summary="trajectories, field and density in the plane, kept for plot flow and animate; straightness, mass",
            kinds=("vector",),
            samples=True,
            default=False,
        ),
        *known_density_metrics(),
    ]


def known_density_metrics() -> list[MetricSpec]:
    """Numbers for points whose law is known, each beside that of a second true sample."""
    return [
        MetricSpec(
            "occupancy",
            "fmbench.metrics.occupancy:Occupancy",
            summary="cross-entropy above the entropy, which sees shape, and modes found, which sees loss",
            kinds=("vector",),
            samples=True,
            known_density=True,
        ),
        MetricSpec(
            "w2",
            "fmbench.metrics.transport:Wasserstein",
            summary="exact and sliced Wasserstein-2 distance to a true sample; mode counts dominate it",
            kinds=("vector",),
            samples=True,
            known_density=True,
            options={
                "n": Option(default=2000, ge=1, help="points of a block; distances of different n do not compare"),
                "blocks": Option(default=5, ge=1, help="disjoint blocks of a set, at most"),
            },
        ),
        MetricSpec(
            "discrepancy",
            "fmbench.metrics.discrepancy:Discrepancy",
            summary="energy distance and MMD^2 to a true sample, unbiased: below zero is chance",
            kinds=("vector",),
            options={"n": Option(default=5000, ge=10, help="points of each sample, at most")},
            samples=True,
            known_density=True,
        ),
        MetricSpec(
            "path-energy",
            "fmbench.metrics.path_energy:PathEnergy",
            summary="how much more energy a flow's paths take than optimal transport; 0 is best",
            kinds=("vector",),
            provides="velocity",
            known_density=True,
            options={"n": Option(default=4096, ge=2, help="points, rounded down to a power of two; fewer bias W2^2")},
        ),
    ]


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
            "inception",
            "fmbench.metrics.extractors.inception:inception",
            summary="the Inception network of published FIDs, through clean-fid; weights fetched when first used",
            sha256=EXTRACTORS["inception"],
            dimension=2048,
        ),
    ]
