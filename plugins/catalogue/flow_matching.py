"""Regression of a velocity."""

from fmbench.api import MethodSpec, Option

from .options import ALL_KINDS, VE_OPTIONS, VP_OPTIONS

SOURCE = Option(
    default="normal",
    source=True,
    help="the law of x0: normal, or that of a dataset of the same shape whose density is known",
)
COMPANIONS = Option(default=0, ge=0, help="batches beside its own that the coupling sees")


def flow_matching() -> list[MethodSpec]:
    """Regression of a velocity."""
    here, two_sided = "fmbench_plugins.flow_matching", "fmbench_plugins.conditional_flow_matching"
    sigma = Option(default=0.0, ge=0, help="deviation of x_t about its mean")
    return [
        MethodSpec(
            "fm-ot",
            f"{here}:FlowMatchingOT",
            summary="flow matching on the conditional optimal-transport path",
            family="flow matching",
            paper="Lipman et al. 2023",
            conditional=True,
            kinds=ALL_KINDS,
            options={"sigma_min": Option(default=1e-4, gt=0, lt=1, help="sigma at the data end")},
        ),
        MethodSpec(
            "fm-vp",
            f"{here}:FlowMatchingVP",
            summary="flow matching on the variance-preserving diffusion path",
            family="flow matching",
            paper="Lipman et al. 2023",
            conditional=True,
            kinds=ALL_KINDS,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "fm-ve",
            f"{here}:FlowMatchingVE",
            summary="flow matching on the variance-exploding diffusion path",
            family="flow matching",
            paper="Lipman et al. 2023",
            conditional=True,
            kinds=ALL_KINDS,
            options=VE_OPTIONS,
        ),
        MethodSpec(
            "i-cfm",
            f"{two_sided}:IndependentCFM",
            summary="two-sided conditional flow matching, independent coupling, any source",
            family="flow matching",
            paper="Tong et al. 2024",
            provides=("velocity",),
            options={"source": SOURCE, "sigma": sigma},
        ),
        MethodSpec(
            "ot-cfm",
            f"{two_sided}:OptimalTransportCFM",
            summary="two-sided, coupled by the optimal-transport plan of each batch",
            family="flow matching",
            paper="Tong et al. 2024",
            provides=("velocity",),
            options={
                "source": SOURCE,
                "sigma": sigma,
                "solver": Option(
                    default="assignment", choices=("assignment", "emd"), help="of the exact plan: SciPy's, or POT's"
                ),
                "companions": COMPANIONS,
            },
        ),
        MethodSpec(
            "sb-cfm",
            f"{two_sided}:SchroedingerBridgeCFM",
            summary="two-sided, Brownian bridges between points of the batch's entropic plan",
            family="flow matching",
            paper="Tong et al. 2024",
            provides=("velocity",),
            options={
                "source": SOURCE,
                "sigma": Option(default=0.5, gt=0, help="deviation of the Brownian motion"),
                "companions": COMPANIONS,
            },
        ),
        MethodSpec(
            "si-trig",
            f"{here}:TrigonometricInterpolant",
            summary="stochastic interpolant on the trigonometric path",
            family="flow matching",
            paper="Albergo and Vanden-Eijnden 2023",
            conditional=True,
            kinds=ALL_KINDS,
        ),
        MethodSpec(
            "rectified-flow",
            "fmbench_plugins.rectified_flow:RectifiedFlow",
            summary="straight paths, independent coupling",
            family="flow matching",
            paper="Liu et al. 2023",
            native_sampler="euler",
            conditional=True,
            kinds=ALL_KINDS,
        ),
        MethodSpec(
            "reflow-2",
            "fmbench_plugins.rectified_flow:Reflow",
            summary="rectified flow once more, on pairs drawn by a first one",
            family="flow matching",
            paper="Liu et al. 2023",
            provides=("velocity",),
            native_sampler="euler",
            teacher="rectified-flow",
            options={
                "pairs": Option(default=20_000, ge=1, help="pairs drawn by the teacher"),
                "solver_steps": Option(default=25, ge=1, help="Heun steps that draw a pair, two calls each"),
            },
        ),
    ]
