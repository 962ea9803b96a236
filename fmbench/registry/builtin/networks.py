"""The shipped networks."""

from __future__ import annotations

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import NetworkSpec, Option, Options, Shape


def unet_misfit(options: Options, shape: Shape) -> str:
    """Why the U-Net cannot be built: its images are square, and each level but the first halves their side."""
    needed = 2 ** (int(options["levels"]) - 1)
    if len(shape) == 3 and shape[1] == shape[2] and shape[1] % needed == 0:
        return ""
    return (
        f"needs square images with a side divisible by {needed}, not data of shape {shape}; choose network.name=mlp or "
        "fewer network.levels"
    )


def dit_misfit(options: Options, shape: Shape) -> str:
    """Why the transformer cannot be built: patches cover the image, and heads share the width."""
    patch, width, heads = (int(options[key]) for key in ("patch", "width", "heads"))
    if len(shape) != 3 or shape[1] % patch or shape[2] % patch:
        return (
            f"needs images whose sides are multiples of network.patch = {patch}, not data of shape {shape}; choose "
            "another patch, or network.name=mlp"
        )
    if width % heads or width % 4:
        return f"needs a network.width that is a multiple of 4 and of network.heads = {heads}, not {width}"
    return ""


@hookimpl
def fmbench_networks() -> list[NetworkSpec]:
    """Networks for vectors and images."""
    return [
        NetworkSpec(
            "mlp",
            "fmbench.networks.mlp:ResidualMLP",
            summary="residual, time-modulated multilayer perceptron",
            conditional=True,
            two_times=True,
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
            two_times=True,
            misfit=unet_misfit,
            options={
                "channels": Option(default=32, ge=4, help="channels at full resolution"),
                "levels": Option(default=2, ge=1, help="resolutions"),
                "layers": Option(default=1, ge=1, help="residual blocks at each resolution"),
                "attention": Option(default=False, help="self-attention at the lowest resolution"),
                "dropout": Option(default=0.0, ge=0, lt=1, help="probability of dropping a feature"),
            },
        ),
        NetworkSpec(
            "dit",
            "fmbench.networks.dit:DiT",
            summary="transformer on patches of an image (DiT with adaLN-Zero)",
            kinds=("image",),
            conditional=True,
            two_times=True,
            misfit=dit_misfit,
            options={
                "patch": Option(default=4, ge=1, help="side of a patch, in pixels"),
                "width": Option(default=128, ge=4, help="numbers of a token"),
                "depth": Option(default=4, ge=1, help="blocks"),
                "heads": Option(default=4, ge=1, help="heads of the attention"),
            },
        ),
    ]
