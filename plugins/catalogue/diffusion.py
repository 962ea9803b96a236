"""Denoising and score matching along a diffusion."""

from fmbench.api import MethodSpec, Option

from .options import ALL_KINDS, VE_OPTIONS, VP_OPTIONS


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
            native_options={"steps": "levels"},
            conditional=True,
            kinds=ALL_KINDS,
            options={
                "levels": Option(
                    default=20, ge=2, help="noise levels, all of them used to sample; sampler.steps takes fewer"
                ),
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
            native_options={"steps": "timesteps", "variance": "variance"},
            conditional=True,
            kinds=ALL_KINDS,
            options={
                "schedule": Option(default="linear", choices=("linear", "cosine"), help="of beta, or of alpha"),
                **VP_OPTIONS,
                "timesteps": Option(
                    default=1000, ge=20, help="T, the steps of the variational bound and of the ancestral sampler"
                ),
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
            kinds=ALL_KINDS,
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
            kinds=ALL_KINDS,
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
            kinds=ALL_KINDS,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "score-matching",
            f"{module}:VPSDE",
            summary="baseline of Lipman et al.: score of the VP path, weight sigma^2; vp-sde under another sampler",
            family="diffusion",
            paper="Lipman et al. 2023, appendix E.1",
            conditional=True,
            kinds=ALL_KINDS,
            options=VP_OPTIONS,
        ),
        MethodSpec(
            "scoreflow",
            f"{module}:ScoreFlow",
            summary="score of the VP path, maximum-likelihood weight g^2, importance-sampled t",
            family="diffusion",
            paper="Song, Durkan et al. 2021",
            conditional=True,
            kinds=ALL_KINDS,
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
            kinds=ALL_KINDS,
            options={
                "sigma_min": Option(default=0.002, gt=0, help="sigma at the data end"),
                "sigma_max": Option(default=80.0, gt=0, above="sigma_min", help="sigma at the noise end"),
                "rho": Option(default=7.0, gt=0, help="how strongly the noise levels crowd at the data end"),
                "p_mean": Option(default=-1.2, help="mean of log sigma in training"),
                "p_std": Option(default=1.2, gt=0, help="deviation of log sigma in training"),
            },
        ),
    ]
