"""Stores for the page: of ordinary names, and of such that try to be more than names."""

from __future__ import annotations

import json

import numpy as np

from fmbench.store import files, pictures
from fmbench.store.records import MetricRecord
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill, portrait

NUMBERS = {"nll": (2.345, "bits/dim", "pf-ode"), "fid": (1.5, "", "digits-v1"), "nfe": (123.0, "", "")}
MACHINE = {"device": "cpu", "packages": {"torch": "2.6"}}
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script>", "a & b", r"$\LaTeX_{x}$", "<b>bold</b>",
    "\u2028'`--><!--",
)  # fmt: skip


def samples_file(directory, run):
    """Where a run keeps its samples."""
    sampler = run.evaluation.sampler
    return directory.samples_by(sampler.name, sampler.steps, run.evaluation_overrides)


def logged(directory, run, seed=0):
    """A run with a loss, a machine that trained it, and images."""
    lines = [{"step": step, "loss": 1 / step, "lr": 1e-3, "seconds": step / 10} for step in range(1, 201)]
    files.append_lines(directory.train_log, lines)
    directory.set_environment("train", {**MACHINE, "seconds": 1.5, "command": ["fmbench", "run"]})
    directory.samples.mkdir()
    np.save(samples_file(directory, run), np.full((20, 1, 8, 8), seed, np.uint8))
    return directory


def ordinary(root):
    """Three seeds of one method on images, a failed run of another, a control, and one run in the plane."""
    for seed, run in enumerate(tiny_plan(methods=["fm-ot"], seeds=[0, 1, 2])):
        values = {name: (value + seed / 10, *rest) for name, (value, *rest) in NUMBERS.items()}
        logged(fill(root, run, values), run, seed)
    (run,) = tiny_plan(methods=["ddpm"])
    fill(root, run, {"nll": NUMBERS["nll"]}, "failed", "loss is nan at step 9")
    (run,) = tiny_plan(methods=["fm-ot"], dataset="8gaussians")
    directory = fill(root, run, {"w2": (0.5, "", ""), "nfe": (80.0, "", "")})
    directory.samples.mkdir()
    np.save(samples_file(directory, run), np.random.default_rng(0).normal(size=(50, 2)))
    pictures.write(directory.pictures / "portrait.npz", portrait())
    return root


def curve(run):
    """A line of the metric of sampling curves."""
    points = [{"nfe": nfe, "seconds": 1, "value": 9.87654 / nfe} for nfe in (5, 10)]
    details = {"measure": "fid", "solver": "euler", "curve": points}
    said = {"evaluation": run.evaluation_overrides, "details": details, "n": 100}
    return MetricRecord(metric="curve", name="nfe-10pct", value=5.0, **said)


def learning(run):
    """A line of the metric of learning curves."""
    points = [{"step": step, "seconds": step / 30, "nfe": 20, "value": 9.0 / step} for step in (2, 4, 6)]
    said = {"evaluation": run.evaluation_overrides, "details": {"measure": "fid", "curve": points}, "n": 100}
    return MetricRecord(metric="learning-curve", name="steps-10pct", value=6.0, **said)


def renamed(directory, name):
    """A run whose every name is another, as a plugin could have chosen it."""
    path = directory.path / "run.json"
    record = json.loads(path.read_text())
    request = record["request"]
    request["dataset"]["name"] = request["method"]["name"] = request["network"]["name"] = record["family"] = name
    request["method"]["options"] = {name: name}
    record["overrides"] = {name: name}
    path.write_text(json.dumps(record))
    directory.set_environment("train", {name: name, "command": [name]})
    root, folder = directory.path.parents[3], name.replace("/", "")
    place = root / folder / folder / directory.path.parent.name
    place.mkdir(parents=True)
    return RunDirectory(directory.path.rename(place / directory.path.name))
