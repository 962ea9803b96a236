"""Maximum likelihood by change of variables: in layers, and continuous in time."""

from collections.abc import Mapping

from fmbench.api import MethodSpec, Option

PRIOR = Option(default=0.1, gt=0, help="deviation of the Gaussian prior of the conditioners' weights")
WIDTH = Option(default=64, ge=1, help="units of a hidden layer of a conditioner")
DEPTH = Option(default=2, ge=1, help="hidden layers of a conditioner")


def glow_misfit(options: Mapping[str, bool | int | float | str], shape: tuple[int, ...]) -> str:
    """Each of Glow's levels halves both sides of an image."""
    levels = int(options["levels"])
    if len(shape) == 3 and shape[1] % 2**levels == 0 and shape[2] % 2**levels == 0:
        return ""
    return f"levels = {levels}: both sides of an image must be multiples of {2**levels}, not data of shape {shape}"


CNF_OPTIONS = {
    "solver": Option(default="dopri5", choices=("dopri5", "rk4", "midpoint"), help="ODE solver of training"),
    "steps": Option(default=4, ge=1, help="steps of a fixed-step solver in training"),
    "tol": Option(default=1e-3, gt=0, help="relative and absolute tolerance of dopri5 in training"),
    "exact_up_to": Option(default=1, ge=0, help="dimensions up to which training takes the exact trace"),
    "gradient": Option(
        default="backprop", choices=("backprop", "adjoint"), help="backprop through the steps, or the adjoint ODE"
    ),
    "kinetic": Option(default=0.01, ge=0, help="weight of the kinetic energy a dimension (RNODE)"),
    "jacobian": Option(default=0.01, ge=0, help="weight of the Jacobian's squared Frobenius norm a dimension (RNODE)"),
}
RESIDUAL_OPTIONS = {
    "width": Option(default=64, ge=1, help="units of the hidden layer of each residual block"),
    "coeff": Option(default=0.98, gt=0, lt=1, help="bound on the Lipschitz constant of each block's residual"),
}
# A step costs dozens of network calls and their double backward passes: fewer of them, at a rate that they bear.
CNF_BUDGET = {"train.steps": 600, "train.lr": 1e-3}


def continuous() -> list[MethodSpec]:
    """Continuous in time."""
    return [
        MethodSpec(
            "cnf",
            "fmbench_plugins.cnf:CNF",
            summary="continuous normalizing flow by maximum likelihood (FFJORD)",
            family="continuous normalizing flow",
            paper="Grathwohl et al. 2019",
            provides=("velocity",),
            likelihoods=("pf-ode",),
            options=CNF_OPTIONS,
            budget=CNF_BUDGET,
        ),
        MethodSpec(
            "anode",
            "fmbench_plugins.cnf:ANODE",
            summary="augmented neural ODE: a continuous flow of data beside noise; its likelihood is a bound",
            family="continuous normalizing flow",
            paper="Dupont et al. 2019",
            provides=("velocity",),
            likelihoods=("vlb",),
            options={
                **CNF_OPTIONS,
                "augment": Option(default=1, ge=1, help="extra channels of images, extra coordinates of vectors"),
                "draws": Option(default=4, ge=1, help="K, the draws of the extra coordinates in the bound"),
            },
            budget=CNF_BUDGET,
        ),
    ]


def layered() -> list[MethodSpec]:
    """In layers whose log-determinant is a product."""
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
            misfit=glow_misfit,
            options={
                "levels": Option(default=2, ge=1, help="times that an image is squeezed"),
                "steps": Option(default=4, ge=1, help="steps of flow of each level"),
                "width": Option(default=32, ge=1, help="hidden channels of a coupling"),
                "prior_std": PRIOR,
            },
        ),
    ]


def residual() -> list[MethodSpec]:
    """In residual blocks whose log-determinant is a power series."""
    module = "fmbench_plugins.residual_flow"
    return [
        MethodSpec(
            "residual-flow",
            f"{module}:ResidualFlow",
            summary="invertible residual blocks; unbiased log-determinant by Russian roulette",
            family="normalizing flow",
            paper="Chen et al. 2019",
            provides=(),
            likelihoods=("exact",),
            native_sampler="inverse",
            options={
                "blocks": Option(default=16, ge=1, help="residual blocks"),
                **RESIDUAL_OPTIONS,
                "terms": Option(default=4, ge=1, help="terms of the power series that training always computes"),
                "roulette": Option(default=0.5, gt=0, lt=1, help="chance that the series ends after each further term"),
            },
        ),
        MethodSpec(
            "i-resnet",
            f"{module}:InvertibleResNet",
            summary="invertible residual blocks; log-density by a cut power series, biased",
            family="normalizing flow",
            paper="Behrmann et al. 2019",
            provides=(),
            likelihoods=("truncated",),
            native_sampler="inverse",
            options={
                "blocks": Option(default=10, ge=1, help="residual blocks"),
                **RESIDUAL_OPTIONS,
                "terms": Option(default=8, ge=1, help="terms of the power series"),
            },
        ),
    ]
