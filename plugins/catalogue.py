"""Every shipped method by name. Torch-free, so that `fmbench list` and `--help` stay instant."""

from fmbench.api import MethodSpec, Option, hookimpl

VP_OPTIONS = {
    "beta_min": Option(default=0.1, gt=0, help="beta at the data end"),
    "beta_max": Option(default=20.0, gt=0, above="beta_min", help="beta at the noise end"),
}
VE_OPTIONS = {
    "sigma_min": Option(default=0.02, gt=0, help="sigma at the data end"),
    "sigma_max": Option(default=100.0, gt=0, above="sigma_min", help="sigma at the noise end, for data in [-1, 1]"),
}
SOURCE = Option(
    default="gaussian",
    choices=("gaussian", "8gaussians", "checkerboard", "moons", "gaussian-2d"),
    help="the law of x0; all but the Gaussian are points in the plane",
)
COMPANIONS = Option(default=0, ge=0, help="batches beside its own that the coupling sees")


def diffusion() -> list[MethodSpec]:
    """Denoising and score matching along a diffusion."""
    module = "fmbench_plugins.score_sde"
    return [
        MethodSpec(
            "smld",
            "fmbench_plugins.smld:SMLD",
            summary="score matching at a ladder of noise levels, sampled by annealed Langevin dynamics",
            family="diffusion",
            paper="Song and Ermon 2019",
            provides=("score", "data"),
            likelihoods=(),
            native_sampler="langevin",
            conditional=True,
            options={
                "levels": Option(default=20, ge=2, help="noise levels; sampler.steps of them are used to sample"),
                "sigma_min": Option(default=0.02, gt=0, help="the last noise level"),
                "sigma_max": Option(
                    default=10.0,
                    gt=0,
                    above="sigma_min",
                    help="the first; about the largest distance between training points (NCSNv2, technique 1)",
                ),
                "conditioning": Option(
                    default="level",
                    choices=("level", "scale"),
                    help="tell the network its level, or divide one network by sigma (NCSNv2, technique 3)",
                ),
            },
        ),
        MethodSpec(
            "ddpm",
            "fmbench_plugins.ddpm:DDPM",
            summary="denoising diffusion: noise prediction on the variance-preserving path",
            family="diffusion",
            paper="Ho et al. 2020",
            likelihoods=("pf-ode", "vlb"),
            native_sampler="ancestral",
            conditional=True,
            options={
                "schedule": Option(default="linear", choices=("linear", "cosine"), help="of beta, or of alpha"),
                **VP_OPTIONS,
                "timesteps": Option(default=1000, ge=20, help="T, the steps of the variational bound"),
                "variance": Option(
                    default="fixedsmall", choices=("fixedsmall", "fixedlarge"), help="of a step of the chain"
                ),
            },
        ),
        MethodSpec(
            "ve-sde",
            f"{module}:VESDE",
            summary="score SDE, variance exploding",
            family="diffusion",
            paper="Song et al. 2021",
            native_sampler="pc",
            conditional=True,
            options=VE_OPTIONS,
        ),
        MethodSpec(
            "vp-sde",
            f"{module}:VPSDE",
            summary="score SDE, variance preserving",
            family="diffusion",
            paper="Song et al. 2021",
            native_sampler="pc-em",
            conditional=True,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "subvp-sde",
            f"{module}:SubVPSDE",
            summary="score SDE, sub-variance preserving",
            family="diffusion",
            paper="Song et al. 2021",
            native_sampler="pc-em",
            conditional=True,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "score-matching",
            f"{module}:VPSDE",
            summary="baseline of Lipman et al.: score of the VP path, weight sigma^2; vp-sde under another sampler",
            family="diffusion",
            paper="Lipman et al. 2023, appendix E.1",
            conditional=True,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "scoreflow",
            f"{module}:ScoreFlow",
            summary="score of the VP path, maximum-likelihood weight g^2, importance-sampled t",
            family="diffusion",
            paper="Song, Durkan et al. 2021",
            conditional=True,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "edm",
            "fmbench_plugins.edm:EDM",
            summary="preconditioned denoiser, log-normal noise levels, Heun",
            family="diffusion",
            paper="Karras et al. 2022",
            native_sampler="edm-heun",
            conditional=True,
            options={
                "sigma_min": Option(default=0.002, gt=0, help="sigma at the data end"),
                "sigma_max": Option(default=80.0, gt=0, above="sigma_min", help="sigma at the noise end"),
                "rho": Option(default=7.0, gt=0, help="how strongly the noise levels crowd at the data end"),
                "p_mean": Option(default=-1.2, help="mean of log sigma in training"),
                "p_std": Option(default=1.2, gt=0, help="deviation of log sigma in training"),
            },
        ),
    ]


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
            options={"sigma_min": Option(default=1e-4, gt=0, lt=1, help="sigma at the data end")},
        ),
        MethodSpec(
            "fm-vp",
            f"{here}:FlowMatchingVP",
            summary="flow matching on the variance-preserving diffusion path",
            family="flow matching",
            paper="Lipman et al. 2023",
            conditional=True,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "fm-ve",
            f"{here}:FlowMatchingVE",
            summary="flow matching on the variance-exploding diffusion path",
            family="flow matching",
            paper="Lipman et al. 2023",
            conditional=True,
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
        ),
        MethodSpec(
            "rectified-flow",
            "fmbench_plugins.rectified_flow:RectifiedFlow",
            summary="straight paths, independent coupling",
            family="flow matching",
            paper="Liu et al. 2023",
            native_sampler="euler",
            conditional=True,
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


def controls() -> list[MethodSpec]:
    """What the other rows are held against."""
    ridge = Option(default=1e-6, ge=0, help="added to the diagonal of a covariance")
    module = "fmbench_plugins.controls"
    return [
        MethodSpec(
            "gaussian",
            f"{module}:Gaussian",
            summary="a Gaussian with a full covariance",
            family="control",
            paper="maximum likelihood",
            provides=(),
            likelihoods=("exact",),
            native_sampler="direct",
            options={"ridge": ridge},
        ),
        MethodSpec(
            "gmm",
            f"{module}:GaussianMixture",
            summary="a mixture of Gaussians with full covariances",
            family="control",
            paper="Dempster et al. 1977, by scikit-learn",
            provides=(),
            likelihoods=("exact",),
            native_sampler="direct",
            options={
                "components": Option(default=10, ge=1, help="Gaussians"),
                "ridge": ridge,
                "restarts": Option(default=3, ge=1, help="fits from other centres; the likeliest is kept"),
            },
        ),
        MethodSpec(
            "copycat",
            f"{module}:Copycat",
            summary="draws training points again",
            family="control",
            paper="none: a perfect memory",
            provides=(),
            likelihoods=(),
            native_sampler="direct",
        ),
    ]


@hookimpl
def fmbench_methods() -> list[MethodSpec]:
    """The methods, by family."""
    return [*diffusion(), *flow_matching(), *controls()]
