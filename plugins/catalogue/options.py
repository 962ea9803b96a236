"""Options that several methods share."""

from fmbench.api import Option

ALL_KINDS = ("image", "vector", "pair")
VP_OPTIONS = {
    "beta_min": Option(default=0.1, gt=0, help="beta at the data end"),
    "beta_max": Option(default=20.0, gt=0, above="beta_min", help="beta at the noise end"),
}
VE_OPTIONS = {
    "sigma_min": Option(default=0.02, gt=0, help="sigma at the data end"),
    "sigma_max": Option(default=100.0, gt=0, above="sigma_min", help="sigma at the noise end, for data in [-1, 1]"),
}
