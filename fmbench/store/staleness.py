"""Which code and data made a run and its numbers, and what of it is another now. Torch-free.

Digests tell what may have changed a number; whether it did is a fact that `fmbench verify` finds out, and its answer
counts for the code that it was found with.
"""

from __future__ import annotations

from typing import Any

from fmbench import provenance
from fmbench.errors import FmbenchError
from fmbench.registry.code import PresentCode
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import RunRequest, TrainingRequest
from fmbench.store.run import RunDirectory

REMEDIES = (
    "`fmbench verify` tells whether that matters, `fmbench run --rerun stale` trains anew, "
    "--allow-stale goes on all the same"
)


class StaleError(FmbenchError):
    """What a run has learned is of other code, or of other data, than there is now."""


def parts_of_training(training: TrainingRequest, plugins: Plugins) -> list[str]:
    """The parts whose code decides the weights, as "method fm-ot"."""
    spec, options = plugins.methods.get(training.method.name), training.method.options
    sources = {str(options[key]) for key, option in spec.options.items() if option.source} - {"normal"}
    return [
        f"method {spec.name}",
        *([f"method {spec.teacher}"] if spec.teacher else []),
        f"network {training.network.name}",
        *(f"dataset {name}" for name in sorted({training.dataset.name, *sources})),
    ]


def parts_of_number(run: RunRequest, metric: str, plugins: Plugins) -> list[str]:
    """The parts whose code decides a metric's numbers, those of the weights included: a method draws its samples."""
    spec, options = plugins.metrics.get(metric), run.evaluation.metrics[metric]
    extractors = {str(options[key]) for key, option in spec.options.items() if option.extractor and options[key]}
    return [
        *parts_of_training(run.training, plugins),
        f"metric {metric}",
        *(f"feature extractor {name}" for name in sorted(extractors)),
        *([f"sampler {run.evaluation.sampler.name}"] if metric in run.evaluation.sampled else []),
    ]


def changes(directory: RunDirectory, present: PresentCode) -> list[str]:
    """What is another than when a run was trained or last verified, as "code of network mlp"; nothing is the norm."""
    if not directory.exists():
        return []
    known = directory.environment()
    return [*code_changes(directory, known, present), *data_changes(directory, known)]


def code_changes(directory: RunDirectory, known: dict[str, Any], present: PresentCode) -> list[str]:
    """The code that is another than what trained the run and than what it was verified with."""
    trained, verified = known.get("train", {}).get("code"), known.get("verified", {})
    if verified and not verified["agrees"] and not present.changed(verified["code"]):
        return ["losses of its first steps"]
    vouched = [trained] if trained else []
    vouched += [verified["code"]] if verified and verified["agrees"] else []
    if not vouched:
        return old_code_changes(directory, present)
    # That of the training or that of the verification, whichever is nearer to what there is now.
    return [f"code of {title}" for title in min(map(present.changed, vouched), key=len)]


def old_code_changes(directory: RunDirectory, present: PresentCode) -> list[str]:
    """The same of runs of old, which know the file of their method alone."""
    file, title = directory.trained_by(), f"method {directory.method}"
    factory = present.factory(title)
    stale = file is not None and factory is not None and file != provenance.source_digest(factory)
    return [f"code of {title}"] if stale else []


def data_changes(directory: RunDirectory, known: dict[str, Any]) -> list[str]:
    """The data, if what was last loaded is another than what the run was trained on."""
    seen = known.get("seen", {}).get("data")
    of_training = known_data(known)
    return [f"data of {directory.configuration[0]}"] if seen and of_training and seen not in of_training else []


def known_data(known: dict[str, Any]) -> set[str]:
    """The digests of the data that a run was trained on or verified with."""
    return {known[half]["data"] for half in ("train", "verified") if known.get(half, {}).get("data")}


def note_data(directory: RunDirectory, digest: str) -> None:
    """Write down which data is there now, where that is not known from the training."""
    known = directory.environment()
    of_training, seen = known_data(known), known.get("seen", {}).get("data")
    if of_training and digest != seen and (seen or digest not in of_training):
        directory.set_environment("seen", {"data": digest})


def refuse_stale(directory: RunDirectory, present: PresentCode) -> None:
    """Refuse to go on with what other code, or other data, has begun.

    Raises:
        StaleError: it has; the text says which, and what to do.
    """
    found = changes(directory, present)
    if found:
        raise StaleError(f"stale: {sentence(found)}: {REMEDIES}")


def sentence(found: list[str]) -> str:
    """What is another now, in words."""
    return f"the {', the '.join(found)} changed since it was trained"
