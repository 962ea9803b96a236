"""Stores that are merged, as the tests look at them."""

from __future__ import annotations

from collections import Counter

from fmbench.store.merging import Merge
from fmbench.store.run import RunDirectory
from tests.report.made_up import number

VALUES = {"nll": (2.5, "bits/dim", "pf-ode"), "nfe": (100.0,)}


def merge(root, *sources):
    steps = []
    target = Merge(root)
    for source in sources:
        for step in target.steps(source):
            step.carry_out()
            steps.append(step)
    return steps


def kinds(steps):
    return dict(Counter(step.kind for step in steps))


def tree(root):
    return {
        path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file() and path.name != ".lock"
    }


def values(root, run):
    return {record.name: record.value for record in RunDirectory.of(root, run).metrics()}


def measured(run, value, at, name="nfe", **more):
    return number(run, name, value, measured_at=at, **more)
