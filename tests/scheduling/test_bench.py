"""The machine's pace: what is run for it, what it comes to, and who is told of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fmbench.registry.discovery import load_plugins
from fmbench.scheduling import bench
from fmbench.scheduling.estimate import describe, time_left
from fmbench.store.records import MetricRecord, StatusRecord, TrainingSummary
from fmbench.store.run import BENCH, RunDirectory, find_runs
from fmbench.training import limits
from tests.helpers import tiny_plan

PLUGINS = load_plugins(environ={})
CONFIG = """
methods: [fm-ot, gaussian]
seeds: 3
network: {width: 8}
train: {steps: 500, batch_size: 32}
sampler: {batch_size: 64, rtol: 0.1, atol: 0.1}
metrics: [nfe, nll]
nll: {rtol: 0.1, atol: 0.1, probes: 1}
sweep: {train.lr: [1.0e-3, 2.0e-3]}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "mine.yaml").write_text(CONFIG)
    return tmp_path / "mine.yaml"


def test_every_method_once_in_each_precision_and_measured_in_one(tmp_path, config):
    planned = bench.plan(PLUGINS, str(config), 2.5, tmp_path)
    asked = [
        (run.training.method.name, run.training.train.precision, sorted(run.evaluation.metrics)) for run, _ in planned
    ]
    assert asked == [
        ("fm-ot", "float32", ["nfe", "nll"]),
        ("gaussian", "float32", ["nfe", "nll"]),
        ("fm-ot", "bf16-mixed", []),
        ("gaussian", "bf16-mixed", []),
    ]
    for run, directory in planned:
        assert run.training.budget.seconds == 2.5
        assert (run.training.seed, run.training.train.batch_size, run.training.train.lr) == (0, 32, 2e-3)
        assert (run.evaluation.sampler.samples, run.evaluation.sampler.draws) == (bench.SAMPLES, 1)
        assert directory.path.parts[len(tmp_path.parts)] == BENCH


def finished(run, directory, *, steps, seconds, records=()):
    directory.create(run)
    summary = TrainingSummary(
        params=7,
        seconds=seconds,
        images=1,
        images_per_second=1,
        peak_memory_bytes=0,
        final_loss=1.0,
        flops=6e9,
        steps=steps,
    )
    directory.set_training(summary)
    directory.set_status(StatusRecord(state="done", stage="evaluate", step=steps, steps=steps))
    directory.add_metrics(
        MetricRecord(
            metric=metric, name=name, value=value, n=n, seconds=spent, protocol=run.evaluation.protocol(metric)
        )
        for metric, name, value, n, spent in records
    )


def test_what_they_come_to(tmp_path, config):
    planned = bench.plan(PLUGINS, str(config), 3, tmp_path)
    measured = [
        ("nfe", "nfe", 40.0, 256, 1.0),
        ("nfe", "sample-seconds", 20.0, 256, 1.0),
        ("nll", "nll", 2.0, 360, 9.0),
    ]
    finished(*planned[0], steps=600, seconds=3.0, records=measured)
    finished(*planned[2], steps=900, seconds=3.0)
    mine, other = bench.paces(planned)
    assert (mine.params, mine.steps, mine.mixed, mine.flops) == (7, 200, 300, 2e9)
    assert (mine.samples, mine.nfe, mine.points) == (50, 40, 40)
    assert (other.params, other.steps, other.mixed, other.samples, other.points) == (None,) * 5


class TestEstimates:
    @pytest.fixture
    def runs(self):
        return tiny_plan("train.steps=100", plugins=PLUGINS, methods=["fm-ot", "ddpm"], metrics=[])

    def left(self, runs, root):
        return time_left([(run, RunDirectory.of(root, run)) for run in runs], root)

    def test_they_use_it_where_no_finished_run_of_the_method_tells(self, tmp_path, runs):
        own, short = (tiny_plan(f"train.lr={rate}", plugins=PLUGINS, methods=["fm-ot"])[0] for rate in (1e-3, 5e-3))
        (ddpm,) = tiny_plan(plugins=PLUGINS, methods=["ddpm"])
        finished(short, RunDirectory.of(tmp_path / BENCH, short), steps=10, seconds=9.0)
        finished(ddpm, RunDirectory.of(tmp_path / BENCH, ddpm), steps=10, seconds=4.0)
        assert [left.seconds for left in self.left(runs, tmp_path)] == [90, 40]
        text = describe(self.left(runs, tmp_path))
        assert text == "about 2 min 10 s on one slot, from the pace of `fmbench bench`"
        finished(own, RunDirectory.of(tmp_path, own), steps=10, seconds=2.0)
        assert [left.seconds for left in self.left(runs, tmp_path)] == [20, 40]
        text = describe(self.left(runs, tmp_path))
        assert text == "about 1 min on one slot, from 1 finished run and the pace of `fmbench bench`"

    def test_a_run_of_another_precision_tells_less(self, tmp_path, runs):
        full, mixed = (
            tiny_plan(f"train.precision={name}", "train.lr=1e-3", plugins=PLUGINS, methods=["fm-ot"])[0]
            for name in ("float32", "bf16-mixed")
        )
        finished(full, RunDirectory.of(tmp_path, full), steps=10, seconds=2.0)
        finished(mixed, RunDirectory.of(tmp_path, mixed), steps=10, seconds=1.0)
        asked = tiny_plan(
            "train.steps=100", "train.precision=bf16-mixed", plugins=PLUGINS, methods=["fm-ot"], metrics=[]
        )
        assert [left.seconds for left in self.left([runs[0], *asked], tmp_path)] == [20, 10]


def test_the_limit_is_of_multiplications_and_additions(monkeypatch):
    products = []  # of 20 ms each
    monkeypatch.setattr(limits, "multiply", products.append)
    monkeypatch.setattr(limits, "time", SimpleNamespace(perf_counter=lambda: 0.02 * len(products)))
    assert limits.product_limit(torch.float32, "cpu") == pytest.approx(2 * 2048**3 / 0.02)


def test_the_command(tmp_path):
    (tmp_path / "mine.yaml").write_text(CONFIG)

    def fmbench(*said):
        command = [str(Path(sys.executable).parent / "fmbench"), *said]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)

    for _ in range(2):  # the second measures anew
        done = fmbench("bench", "--config", "mine.yaml", "--seconds", "0.5", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        assert "4 short runs of some 0.5 s of training each" in done.stderr
        assert done.stderr.count("fm-ot on digits, seed 0: done") == 2
        row = next(line for line in done.stdout.splitlines() if line.startswith("digits") and "fm-ot" in line)
        assert "-" not in row.replace("fm-ot", "")
        assert "TFLOP/s, the fastest products of square matrices here." in done.stdout
        assert "mine.yaml: about" in done.stdout
    told = fmbench("run", "--config", "mine.yaml", "--dry-run").stdout
    assert "from the pace of `fmbench bench`" in told
    assert list(find_runs(tmp_path / "results")) == []
