"""Every shipped method by name. Torch-free, so that `fmbench list` and `--help` stay instant."""

from fmbench.api import MethodSpec, hookimpl

from .controls import controls
from .diffusion import diffusion
from .flow_matching import flow_matching
from .flows import continuous, layered, residual


@hookimpl
def fmbench_methods() -> list[MethodSpec]:
    """The methods, by family."""
    return [*diffusion(), *flow_matching(), *continuous(), *layered(), *residual(), *controls()]
