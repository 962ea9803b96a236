"""Stores with made-up numbers."""

from __future__ import annotations

import json

import numpy as np

from fmbench.registry.specs import FLOOR
from fmbench.report.render import TEXTS
from fmbench.report.sheet import sheets
from fmbench.report.view import View
from fmbench.store import pictures
from fmbench.store.records import MetricRecord, StatusRecord, TrainingSummary
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan

METRICS = {"fid-ratio": "fid", "nll-gap": "nll", "nfe-nll": "nll", "precision": "prdc"}  # of others, the name itself


def summary(seconds):
    return TrainingSummary(
        params=1_234_567, seconds=seconds, images=10, images_per_second=1, peak_memory_bytes=1, final_loss=1
    )


def number(run, name, value, unit="", family="", n=100, **more):
    """A record as the metric of that name would have written it."""
    base = name.removesuffix(FLOOR)
    metric = METRICS.get(base, base)
    return MetricRecord(
        metric=metric,
        name=name,
        value=value,
        unit=unit,
        family=family,
        n=n,
        protocol=run.evaluation.protocol(metric) if metric in run.evaluation.metrics else {},
        evaluation=run.evaluation_overrides,
        **more,
    )


def fill(root, run, values, state="done", reason=""):
    """A run with made-up numbers: {name: (value, unit, family)}, or whole records."""
    directory = RunDirectory.of(root, run)
    directory.create(run)
    directory.set_status(StatusRecord(state=state, reason=reason))
    directory.set_training(summary(12.34))
    if isinstance(values, dict):
        values = [number(run, name, *value) for name, value in values.items()]
    directory.add_metrics(values)
    return directory


def methods(root, values, **more):
    """Runs of methods on the digits, {method: {name: values by seed}}; nll in bits/dim along the ODE unless said."""
    for method, numbers in values.items():
        seeds = range(max(len(each) for each in numbers.values()))
        for seed, run in enumerate(tiny_plan(methods=[method], seeds=list(seeds))):
            family = {"nll": ("bits/dim", more.get(method, "pf-ode")), "fid": ("", "digits-v1")}
            fill(root, run, {name: (each[seed], *family.get(name, ())) for name, each in numbers.items()})
    return root


def text(rows, form="md", columns=None):
    """A table to read."""
    return TEXTS[form](sheets(rows, View(columns)))


def forget_family(directory):
    """As a store was before runs knew their method's family."""
    path = directory.path / "run.json"
    content = json.loads(path.read_text())
    del content["family"]
    path.write_text(json.dumps(content))


def portrait(frames=25, **changes):
    """What metric portrait keeps of points that go from (0, 0) to (3, 0): eight of them, in a window of side 8."""
    share = np.linspace(0, 1, frames)[:, None, None] if frames > 1 else np.ones((1, 1, 1))
    spread = np.linspace(-1, 1, 8)[None, :, None] * [0.0, 1.0]
    grid = -0.5 * np.linspace(-4, 4, 6) ** 2
    arrays = {
        "window": np.array([[-4.0, 4.0], [-4.0, 4.0]]),
        "data": [3.0, 0.0] + spread[0],
        "truth": grid[:, None] + grid - np.log(2 * np.pi),
        "density": grid[:, None] + grid - np.log(2 * np.pi) + np.log(2),
        "points": share * [3.0, 0.0] + spread,
        "field": np.ones((4, 3, 3, 2)) * [[[[1.0, 0.0]]]] * np.arange(4)[:, None, None, None],
    }
    return {name: array for name, array in {**arrays, **changes}.items() if array is not None}


def drawn(root, run, name="portrait", **changes):
    """A run that was never carried out, with a portrait."""
    directory = RunDirectory.of(root, run)
    directory.create(run)
    pictures.write(directory.pictures / f"{name}.npz", portrait(**changes))
    return directory
