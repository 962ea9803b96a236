"""What the other rows are held against."""

from fmbench.api import MethodSpec, Option


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
                "ridge": Option(default=3e-3, ge=0, help="added to the diagonal of every covariance"),
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
        *restorations(),
    ]


def restorations() -> list[MethodSpec]:
    """What samples beside a given image are held against."""
    module = "fmbench_plugins.restoration"
    told = (
        ("nearest", "Nearest", "what is given, enlarged without interpolation", "none: repeated pixels"),
        ("bicubic", "Bicubic", "what is given, enlarged by bicubic interpolation", "Keys 1981"),
        ("regression", "Regression", "the mean image beside what is given, by least squares", "Saharia et al. 2021"),
    )
    return [
        MethodSpec(
            name,
            f"{module}:{factory}",
            summary=summary,
            family="control",
            paper=paper,
            kinds=("pair",),
            provides=(),
            likelihoods=(),
            native_sampler="direct",
        )
        for name, factory, summary, paper in told
    ]
