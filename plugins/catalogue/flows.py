"""Maximum likelihood by change of variables: in layers, and continuous in time."""

from fmbench.api import MethodSpec, Option

PRIOR = Option(default=0.1, gt=0, help="deviation of the Gaussian prior of the conditioners' weights")
WIDTH = Option(default=64, ge=1, help="units of a hidden layer of a conditioner")
DEPTH = Option(default=2, ge=1, help="hidden layers of a conditioner")


def flows() -> list[MethodSpec]:
    """Maximum likelihood by change of variables."""
    module = "fmbench_plugins.normalizing_flows"
    return [
        MethodSpec(
            "realnvp",
            f"{module}:RealNVP",
            summary="affine coupling layers",
            family="normalizing flow",
            paper="Dinh et al. 2017",
            provides=(),
            likelihoods=("exact",),
            native_sampler="inverse",
            options={
                "transforms": Option(default=12, ge=1, help="coupling layers"),
                "width": WIDTH,
                "depth": DEPTH,
                "prior_std": PRIOR,
            },
        ),
        MethodSpec(
            "nsf",
            f"{module}:NSF",
            summary="coupling layers of rational-quadratic splines",
            family="normalizing flow",
            paper="Durkan et al. 2019",
            provides=(),
            likelihoods=("exact",),
            native_sampler="inverse",
            options={
                "transforms": Option(default=4, ge=1, help="coupling layers"),
                "width": WIDTH,
                "depth": DEPTH,
                "bins": Option(default=8, ge=2, help="bins of each spline"),
                "prior_std": PRIOR,
            },
        ),
        MethodSpec(
            "maf",
            f"{module}:MAF",
            summary="masked autoregressive flow: density in one pass, samples in d",
            family="normalizing flow",
            paper="Papamakarios et al. 2017",
            provides=(),
            likelihoods=("exact",),
            native_sampler="inverse",
            options={
                "transforms": Option(default=12, ge=1, help="autoregressive maps"),
                "width": WIDTH,
                "depth": DEPTH,
                "prior_std": PRIOR,
            },
        ),
        MethodSpec(
            "glow",
            "fmbench_plugins.glow:Glow",
            summary="multiscale affine couplings with actnorm and invertible 1x1 convolutions",
            family="normalizing flow",
            paper="Kingma and Dhariwal 2018",
            provides=(),
            likelihoods=("exact",),
            native_sampler="inverse",
            kinds=("image",),
            options={
                "levels": Option(default=2, ge=1, help="times that an image is squeezed"),
                "steps": Option(default=4, ge=1, help="steps of flow of each level"),
                "width": Option(default=32, ge=1, help="hidden channels of a coupling"),
                "prior_std": PRIOR,
            },
        ),
    ]
