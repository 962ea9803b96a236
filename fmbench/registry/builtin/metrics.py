"""The shipped metrics."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.registry.builtin.numbers import shipped
from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import MetricSpec, Option

FEATURES: Mapping[str, Option] = {
    "features": Option(default="dataset", extractor=True, help="feature extractor; dataset: the dataset's own")
}


@hookimpl
def fmbench_metrics() -> list[MetricSpec]:
    """The numbers of the table."""
    batch = Option(default=256, ge=1, help="points solved together; adaptive steps depend on it")
    return [
        MetricSpec(
            "nll",
            "fmbench.metrics.nll:NLL",
            numbers=shipped("nll", "nfe-nll", "nll-gap"),
            summary="negative log-likelihood of the test set; bits/dim for images, nats for points",
            likelihood=("exact", "pf-ode", "truncated"),
            options={
                "draws": Option(default=1, ge=1, help="K, dequantisation draws combined by log-mean-exp"),
                "probes": Option(default=4, ge=1, help="Rademacher probes of the trace"),
                "exact_up_to": Option(default=16, ge=0, help="dimensions up to which the trace is exact"),
                "solver": Option(
                    default="dopri5",
                    choices=("dopri5", "bosh3", "euler", "midpoint", "heun", "rk4"),
                    help="ODE solver; a fixed-step one is refused unless halving its step changes next to nothing",
                ),
                "steps": Option(default=100, ge=1, help="steps of a fixed-step solver"),
                "rtol": Option(default=1e-5, gt=0, help="relative tolerance of dopri5 and bosh3"),
                "atol": Option(default=1e-5, gt=0, help="absolute tolerance of dopri5 and bosh3"),
                "batch_size": batch,
                "checked": Option(default=64, ge=1, help="points solved again at a tenth of the tolerances"),
                "points": Option(default=0, ge=0, help="score the first so many test points; 0: all", recorded=False),
            },
        ),
        MetricSpec(
            "vlb",
            "fmbench.metrics.nll:VariationalBound",
            numbers=shipped("vlb"),
            summary="variational bound on the test set's NLL, where a method has one",
            likelihood=("vlb",),
            options={"batch_size": Option(default=512, ge=1, help="points bounded together")},
        ),
        MetricSpec(
            "fid",
            "fmbench.metrics.fid:FID",
            numbers=shipped("fid", "fid-ratio"),
            summary="Frechet distance between features of generated and training images",
            kinds=("image", "pair"),
            samples=True,
            options=FEATURES,
        ),
        MetricSpec(
            "kid",
            "fmbench.metrics.kid:KID",
            numbers=shipped("kid"),
            summary="kernel distance between features of generated and training images; unbiased at small n",
            kinds=("image", "pair"),
            samples=True,
            options=FEATURES,
        ),
        MetricSpec(
            "prdc",
            "fmbench.metrics.prdc:PRDC",
            numbers=shipped("precision", "recall", "density", "coverage"),
            summary="precision, recall, density and coverage of generated images among training images",
            kinds=("image", "pair"),
            samples=True,
            options={
                **FEATURES,
                "neighbours": Option(default=5, ge=1, help="k, which sets the size of neighbourhoods"),
            },
        ),
        MetricSpec(
            "fid-inf",
            "fmbench.metrics.fid:FIDInfinity",
            numbers=shipped("fid-inf"),
            summary="FID extrapolated to infinitely many samples",
            kinds=("image", "pair"),
            samples=True,
            options={**FEATURES, "points": Option(default=15, ge=2, help="sizes that the line goes through")},
            default=False,
        ),
        MetricSpec(
            "memorisation",
            "fmbench.metrics.memorisation:Memorisation",
            numbers=shipped("nn-ratio", "copied"),
            summary="distance of samples to the nearest training image, over that of held-out images",
            kinds=("image",),
            samples=True,
        ),
        MetricSpec(
            "psnr",
            "fmbench.metrics.restoration:PSNR",
            numbers=shipped("psnr"),
            summary="peak signal-to-noise ratio of restored images; the regression of the mean has the highest",
            kinds=("pair",),
            samples=True,
        ),
        MetricSpec(
            "ssim",
            "fmbench.metrics.restoration:SSIM",
            numbers=shipped("ssim"),
            summary="structural similarity of restored images",
            kinds=("pair",),
            samples=True,
            side=11,  # of its window
        ),
        MetricSpec(
            "nfe",
            "fmbench.metrics.nfe:NFE",
            numbers=shipped("nfe", "sample-seconds"),
            summary="network evaluations per sample, and seconds",
            kinds=("image", "vector", "pair"),
            samples=True,
        ),
        MetricSpec(
            "nfe-per-sample",
            "fmbench.metrics.nfe:PerSampleNFE",
            numbers=shipped("nfe-per-sample"),
            summary="NFE of dopri5 when each sample has its own steps (needs torchode)",
            samples=True,
            provides="velocity",
            options={"samples": Option(default=256, ge=2, help="samples solved")},
            default=False,
            package="torchode",
        ),
        MetricSpec(
            "curve",
            "fmbench.metrics.quality:SamplingCurve",
            numbers=shipped("nfe-10pct"),
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
            numbers=shipped("steps-10pct"),
            summary="FID (or W2) by the weights kept during training (run --snapshots 8)",
            samples=True,
            snapshots=True,
            options=FEATURES,
            default=False,
        ),
        MetricSpec(
            "portrait",
            "fmbench.metrics.portrait:Portrait",
            numbers=shipped("straightness", "mass", "inside"),
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
            numbers=shipped("ce-gap", "modes", "mode-tv", "off-mode", "off-support"),
            summary="cross-entropy above the entropy, which sees shape, and modes found, which sees loss",
            kinds=("vector",),
            samples=True,
            known_density=True,
        ),
        MetricSpec(
            "w2",
            "fmbench.metrics.transport:Wasserstein",
            numbers=shipped("w2", "sliced-w2"),
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
            numbers=shipped("energy-distance", "mmd2"),
            summary="energy distance and MMD^2 to a true sample, unbiased: below zero is chance",
            kinds=("vector",),
            options={"n": Option(default=5000, ge=10, help="points of each sample, at most")},
            samples=True,
            known_density=True,
        ),
        MetricSpec(
            "path-energy",
            "fmbench.metrics.path_energy:PathEnergy",
            numbers=shipped("npe"),
            summary="how much more energy a flow's paths take than optimal transport; 0 is best",
            kinds=("vector",),
            provides="velocity",
            known_density=True,
            options={"n": Option(default=4096, ge=2, help="points, rounded down to a power of two; fewer bias W2^2")},
        ),
    ]
