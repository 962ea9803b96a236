"""The shipped networks."""

from __future__ import annotations

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import NetworkSpec, Option


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
            options={
                "channels": Option(default=32, ge=4, help="channels at full resolution, a multiple of 4"),
                "levels": Option(default=2, ge=1, help="resolutions"),
                "layers": Option(default=1, ge=1, help="residual blocks at each resolution"),
                "attention": Option(default=False, help="self-attention at the lowest resolution"),
                "dropout": Option(default=0.0, ge=0, lt=1, help="probability of dropping a feature"),
            },
        ),
    ]
