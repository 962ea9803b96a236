"""The shipped samplers."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench.registry.hooks import hookimpl
from fmbench.registry.specs import Option, SamplerSpec

ODE, SDE, EXPONENTIAL = (f"fmbench.solvers.{name}:sample" for name in ("ode", "sde", "exponential"))


def langevin(corrections: int, snr: float) -> Mapping[str, Option]:
    """The options of a sampler that makes Langevin steps."""
    return {
        "corrections": Option(default=corrections, ge=1, help="Langevin steps at each noise level"),
        "snr": Option(default=snr, gt=0, help="signal-to-noise ratio of a Langevin step"),
    }


@hookimpl
def fmbench_samplers() -> list[SamplerSpec]:
    """Solvers of the ODE, of the reverse SDE, and of chains of posteriors."""
    variance = Option(
        default="fixedsmall",
        choices=("fixedsmall", "fixedlarge"),
        help="of a step: that of the posterior, or beta (Ho et al. 2020, section 3.2)",
        recorded=False,
    )
    return [
        SamplerSpec("dopri5", ODE, "Dormand-Prince 5(4), adaptive", needs="velocity"),
        SamplerSpec("euler", ODE, "Euler, fixed step", needs="velocity", steps=100),
        SamplerSpec("midpoint", ODE, "explicit midpoint, fixed step, 2 calls a step", needs="velocity", steps=50),
        SamplerSpec("heun", ODE, "Heun's second-order method, fixed step, 2 calls a step", needs="velocity", steps=50),
        SamplerSpec(
            "rk4", ODE, "classical fourth-order Runge-Kutta, fixed step, 4 calls a step", needs="velocity", steps=25
        ),
        SamplerSpec("ddim", EXPONENTIAL, "exponential Euler, deterministic DDIM", needs="data", steps=50),
        SamplerSpec("dpm-solver", EXPONENTIAL, "exponential two-step method, DPM-Solver++ 2M", needs="data", steps=20),
        SamplerSpec(
            "ancestral",
            "fmbench.solvers.ancestral:sample",
            "posterior by posterior, as DDPM",
            {"variance": variance},
            needs="data",
            steps=1000,
        ),
        SamplerSpec("euler-maruyama", SDE, "Euler-Maruyama on the reverse SDE", needs="score", steps=1000),
        SamplerSpec("reverse-diffusion", SDE, "the forward steps, reversed", needs="score", steps=1000),
        SamplerSpec(
            "pc",
            SDE,
            "reverse diffusion, each step corrected by Langevin",
            langevin(1, 0.16),
            needs="score",
            steps=500,
        ),
        SamplerSpec(
            "pc-em", SDE, "Euler-Maruyama, each step corrected by Langevin", langevin(1, 0.16), needs="score", steps=500
        ),
        SamplerSpec(
            "langevin",
            "fmbench.solvers.sde:langevin",
            "annealed Langevin dynamics over noise levels",
            langevin(20, 0.3),
            needs="score",
            steps=20,
        ),
    ]
