"""Samplers by name, torch-free: what each needs from a method, and where its code is."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.specs import MethodSpec, Scalar
from fmbench.request.schema import Sampler


@dataclass(frozen=True)
class SamplerSpec:
    """A sampler.

    Args:
        factory: "module:function", called as function(method, x0, settings, generator) -> x1.
        needs: what the method must provide: "velocity", "score" or "data".
        steps: the default number of steps; 0 for adaptive ones.
        corrections: the default number of Langevin steps at each noise level; 0 where it makes none.
        snr: the default signal-to-noise ratio of those.
        summary: one line.
    """

    factory: str
    needs: str
    steps: int
    summary: str
    corrections: int = 0
    snr: float = 0.0

    @property
    def adaptive(self) -> bool:
        """Whether it chooses its own steps."""
        return self.steps == 0

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, attribute = self.factory.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return function


_ODE, _SDE, _EXPONENTIAL = (f"fmbench.solvers.{name}:sample" for name in ("ode", "sde", "exponential"))
SAMPLERS = {
    "dopri5": SamplerSpec(_ODE, "velocity", 0, "Dormand-Prince 5(4), adaptive"),
    "euler": SamplerSpec(_ODE, "velocity", 100, "Euler, fixed step"),
    "midpoint": SamplerSpec(_ODE, "velocity", 50, "explicit midpoint, fixed step, 2 calls a step"),
    "heun": SamplerSpec(_ODE, "velocity", 50, "Heun's second-order method, fixed step, 2 calls a step"),
    "rk4": SamplerSpec(_ODE, "velocity", 25, "classical fourth-order Runge-Kutta, fixed step, 4 calls a step"),
    "ddim": SamplerSpec(_EXPONENTIAL, "data", 50, "exponential Euler, deterministic DDIM"),
    "dpm-solver": SamplerSpec(_EXPONENTIAL, "data", 20, "exponential two-step method, DPM-Solver++ 2M"),
    "ancestral": SamplerSpec("fmbench.solvers.ancestral:sample", "data", 1000, "posterior by posterior, as DDPM"),
    "euler-maruyama": SamplerSpec(_SDE, "score", 1000, "Euler-Maruyama on the reverse SDE"),
    "reverse-diffusion": SamplerSpec(_SDE, "score", 1000, "the forward steps, reversed"),
    "pc": SamplerSpec(_SDE, "score", 500, "reverse diffusion, each step corrected by Langevin", 1, 0.16),
    "pc-em": SamplerSpec(_SDE, "score", 500, "Euler-Maruyama, each step corrected by Langevin", 1, 0.16),
    "langevin": SamplerSpec(
        "fmbench.solvers.sde:langevin", "score", 20, "annealed Langevin dynamics over noise levels", 20, 0.3
    ),
}


def resolve_sampler(sampler: Sampler, method: MethodSpec, options: Mapping[str, Scalar]) -> Sampler:
    """The sampler with its real name and number of steps, for a method with these options.

    Raises:
        FmbenchError: it does not exist, the method cannot use it (the text has those it can), or it is adaptive
            and was given steps.
    """
    name = method.native_sampler if sampler.name == "native" else sampler.name
    usable = [key for key, spec in SAMPLERS.items() if spec.needs in method.provides]
    if name not in SAMPLERS:
        if name != method.native_sampler:
            raise unknown("sampler", name, {*SAMPLERS, "native"})
        return sampler.model_copy(update={"name": name})  # the method's own code
    if name not in usable:
        names = ", ".join(dict.fromkeys([*usable, method.native_sampler]))
        raise FmbenchError(f"{method.name} cannot be sampled by {name!r}; it can by: {names}")
    spec = SAMPLERS[name]
    if sampler.steps and spec.adaptive:
        raise FmbenchError(
            f"sampler.steps = {sampler.steps}: {name} chooses its own steps; set sampler.rtol, sampler.atol"
        )
    if (sampler.corrections or sampler.snr) and not spec.corrections:
        able = ", ".join(key for key in usable if SAMPLERS[key].corrections)
        raise FmbenchError(f"sampler.corrections, sampler.snr: {name} makes no Langevin steps; those that do: {able}")
    steps = options[method.native_steps] if method.native_steps and name == method.native_sampler else spec.steps
    own = {
        "name": name,
        "steps": sampler.steps or steps,
        "corrections": sampler.corrections or spec.corrections,
        "snr": sampler.snr or spec.snr,
    }
    return sampler.model_copy(update=own)
