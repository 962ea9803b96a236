"""The sampler of a method: by its real name, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench.errors import FmbenchError, unknown
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import MethodSpec, SamplerSpec, Scalar
from fmbench.request.options import options_of, recorded
from fmbench.request.schema import Sampler


def resolve_sampler(
    given: Mapping[str, Any], method: MethodSpec, trained: Mapping[str, Scalar], plugins: Plugins
) -> Sampler:
    """The section `sampler` of a configuration, resolved for a method.

    Args:
        given: what is asked.
        method: to be sampled.
        trained: the method's options; some may be defaults of its native sampler (`MethodSpec.native_options`).
        plugins: where samplers come from.

    Raises:
        FmbenchError: the sampler does not exist, the method cannot use it (the text has those it can), or it does not
            read a key, or it is adaptive and was given steps.
    """
    sampler = Sampler(**{"name": method.headline_sampler, **given})
    name = method.native_sampler if sampler.name == "native" else sampler.name
    usable = [spec for spec in plugins.samplers if spec.needs in method.provides]
    if name not in plugins.samplers:
        if name != method.native_sampler:
            raise unknown("sampler", name, {*(spec.name for spec in plugins.samplers), "native"})
        check_keys(sampler, SamplerSpec(name, ""), usable)
        return sampler.model_copy(update={"name": name})  # the method's own code
    spec = plugins.samplers.get(name)
    if spec not in usable:
        names = ", ".join(dict.fromkeys([*(able.name for able in usable), method.native_sampler]))
        raise FmbenchError(f"{method.name} cannot be sampled by {name!r}; it can by: {names}")
    if sampler.steps and spec.adaptive:
        raise FmbenchError(
            f"sampler.steps = {sampler.steps}: {name} chooses its own steps; set sampler.rtol, sampler.atol"
        )
    check_keys(sampler, spec, usable)
    native = method.native_options if name == method.native_sampler else {}
    defaults = {
        "steps": spec.steps,
        **spec.defaults,
        **{key: trained[own] for key, own in native.items()},
    }
    steps = defaults.pop("steps")
    own = options_of(spec, {**defaults, **sampler.options}, "sampler")
    options = recorded(own, spec, defaults)
    return sampler.model_copy(update={"name": name, "steps": sampler.steps or steps, "options": options})


def check_keys(sampler: Sampler, spec: SamplerSpec, usable: list[SamplerSpec]) -> None:
    """Whether a sampler reads all options that it is given.

    Raises:
        FmbenchError: one is unknown, or another sampler's.
    """
    for key in sampler.options:
        if key in spec.options:
            continue
        able = ", ".join(other.name for other in usable if key in other.options)
        if able:
            raise FmbenchError(f"sampler.{key}: {spec.name} does not read it; those that do: {able}")
        raise unknown("key of sampler", key, {*Sampler.common_keys(), *spec.options})
