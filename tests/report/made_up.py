"""Stores with made-up numbers."""

from __future__ import annotations

import json

from fmbench.report.numbers import FLOOR
from fmbench.report.render import TEXTS
from fmbench.report.sheet import sheets
from fmbench.report.view import View
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
