"""Every shipped method by name. Torch-free, so that `fmbench list` and `--help` stay instant."""

from fmbench.api import MethodSpec, Option, hookimpl

VP_OPTIONS = {
    "beta_min": Option(default=0.1, gt=0, help="beta at the data end"),
    "beta_max": Option(default=20.0, gt=0, help="beta at the noise end"),
}


@hookimpl
def fmbench_methods() -> list[MethodSpec]:
    """The methods, by family."""
    return [
        MethodSpec(
            "fm-ot",
            "fmbench_plugins.flow_matching:FlowMatchingOT",
            summary="flow matching on the conditional optimal-transport path",
            family="flow matching",
            paper="Lipman et al. 2023",
            options={"sigma_min": Option(default=1e-4, gt=0, lt=1, help="sigma at the data end")},
        ),
        MethodSpec(
            "ddpm",
            "fmbench_plugins.ddpm:DDPM",
            summary="denoising diffusion: noise prediction on the variance-preserving path",
            family="diffusion",
            paper="Ho et al. 2020",
            likelihoods=("pf-ode", "vlb"),
            native_sampler="ancestral",
            options={
                **VP_OPTIONS,
                "timesteps": Option(default=1000, ge=20, help="T, the steps of the variational bound"),
            },
        ),
    ]
