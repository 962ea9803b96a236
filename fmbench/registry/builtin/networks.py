"""The shipped networks."""

from __future__ import annotations

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import NetworkSpec, Option, Options, Scalar, Shape


def numbers_of(text: Scalar) -> list[int]:
    """Whole numbers above zero with commas between them: "1,2,2" is [1, 2, 2], and "" is [].

    Raises:
        ValueError: it is no such list.
    """
    numbers = [int(part) for part in str(text).split(",")] if text else []
    if any(number < 1 for number in numbers):
        raise ValueError(text)
    return numbers


def unet_misfit(options: Options, shape: Shape) -> str:
    """Why the U-Net cannot be built: its images are square, and each resolution but the first halves their side."""
    lists = {}
    for key in ("multipliers", "attention"):
        try:
            lists[key] = numbers_of(options[key])
        except ValueError:
            return f"needs network.{key} as whole numbers with commas, as 16,8, not {options[key]!r}"
    levels = len(lists["multipliers"])
    if not levels:
        return "needs one of network.multipliers at least, as 1,2,2"
    needed = 2 ** (levels - 1)
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] % needed:
        return (
            f"needs square images with a side divisible by {needed}, not data of shape {shape}; choose "
            "network.name=mlp, or fewer network.multipliers"
        )
    sides = [shape[1] >> level for level in range(levels)]
    for side in lists["attention"]:
        if side not in sides:
            known = ", ".join(map(str, sides))
            return f"has the sides {known} on such images: there is none of network.attention = {side}"
    return ""


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
            kinds=("image", "vector", "pair"),
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
            kinds=("image", "pair"),
            conditional=True,
            two_times=True,
            misfit=unet_misfit,
            options={
                "channels": Option(default=32, ge=4, help="channels, times the multipliers"),
                "multipliers": Option(default="1,2", help="of the channels, one per resolution"),
                "layers": Option(default=1, ge=1, help="residual blocks at each resolution"),
                "attention": Option(default="", help="sides, in pixels, at which there is self-attention, as 16,8"),
                "dropout": Option(default=0.0, ge=0, lt=1, help="probability of dropping a feature"),
            },
        ),
        NetworkSpec(
            "dit",
            "fmbench.networks.dit:DiT",
            summary="transformer on patches of an image (DiT with adaLN-Zero)",
            kinds=("image", "pair"),
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
