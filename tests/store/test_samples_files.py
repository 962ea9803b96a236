"""Samples and pictures are kept by the whole evaluation that they come from, each in a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fmbench.report.page.samples import samples_file
from fmbench.request.schema import label_of
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan


def test_a_second_evaluation_keeps_the_samples_of_the_first(tmp_path):
    runs = [
        run
        for size in (64, 100)
        for run in tiny_plan(f"sampler.batch_size={size}", methods=["fm-ot"], dataset="moons", metrics=["nfe"])
    ]
    rows = carry_out(runs, tmp_path).rows
    directory = RunDirectory.of(tmp_path, runs[0])
    files = [samples_file(directory, row) for row in rows]
    assert len(set(files)) == 2
    drawn = [np.load(file) for file in files]
    assert drawn[0].shape == drawn[1].shape
    assert np.abs(drawn[0] - drawn[1]).max() > 0


def test_the_default_evaluation_has_the_samplers_name(tmp_path):
    directory = RunDirectory(Path(tmp_path))
    shared = {"sampler.name": "pc", "sampler.steps": 20, "sampler.samples": 7, "sampler.draws": 1, "nll.draws": 5}
    assert directory.samples_by("pc", 20, shared).name == "pc-20.npy"
    assert directory.samples_by("dopri5", 0, {}).name == "dopri5.npy"


def test_labels_are_readable_and_tell_apart_what_reads_alike():
    sampler, nll = {"sampler.batch_size": 64}, {"nll.batch_size": 64}
    assert label_of(sampler).startswith("batch_size=64-")
    assert label_of(nll).startswith("batch_size=64-")
    assert label_of(sampler) != label_of(nll)
    long = {f"sampler.option_{i}": "x" * 20 for i in range(9)}
    assert label_of(long) != label_of({**long, "sampler.option_8": "y"})
    assert label_of({"sampler.a": 1, "sampler.b": 2}) == label_of({"sampler.b": 2, "sampler.a": 1})
    assert label_of({}) == ""
