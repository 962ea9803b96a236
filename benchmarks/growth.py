"""How costs grow: python benchmarks/growth.py [steps images networks likelihood slots].

steps: training steps per second of fm-ot on the digits against the width of the network, and against the batch.
images: the same of the U-Net, in images per second, against the side of the image, by precision and compiled or not.
networks: the same of each shipped network as it comes, on 28 x 28 pixels, beside its size and its FLOPs.
likelihood: seconds of 64 log-densities at 1e-5 against the dimension, with four probes and with the exact trace.
slots: seconds of a grid of eight short runs against the slots that it has (`--jobs`).

All are of digits, resampled to the side that is asked for. Without a word all are measured, in some ten minutes on
two cores; the machine must be idle.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from solvers import trained  # the script beside this one
from torch.nn.functional import interpolate

from fmbench import commands
from fmbench.data.base import Dataset
from fmbench.data.digits import digits
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.seeding import stream
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import counted
from fmbench.store.run import RunDirectory
from fmbench.training.loop import Trainer
from fmbench.training.pace import Cost
from fmbench.training.session import TrainingSession

ROUNDS = 3
WAYS: dict[str, list[str]] = {
    "float32": [],
    "compiled": ["train.compile=true"],
    "bf16-mixed": ["train.precision=bf16-mixed"],
    "both": ["train.precision=bf16-mixed", "train.compile=true"],
}
POINTS = 64
EXACT_UP_TO = 256  # dimensions: each costs a vector-Jacobian product per evaluation
GRID = [
    *("run", "--methods", "fm-ot", "--seeds", "8", "--metrics", "nfe", "--set", "train.steps=300"),
    *("--set", "sampler.samples=256", "--set", "sampler.draws=1"),
]


def resampled(side: int) -> Dataset:
    """The digits at another size."""
    data = digits()
    train, test = (interpolate(part.float(), size=(side, side)).to(torch.uint8) for part in (data.train, data.test))
    return replace(data, train=train, test=test)


def session(data: Dataset) -> TrainingSession:
    """On the CPU."""
    return TrainingSession(data, load_plugins(environ={}), Execution("cpu"), Silent())


def seconds_per_step(data: Dataset, steps: int, *said: str) -> tuple[float, int]:
    """The median over rounds, and how many parameters there are."""
    asked = [f"train.steps={steps}", "train.warmup=1", *said]
    (run,) = commands.plan(load_plugins(environ={}), methods=["fm-ot"], assignments=asked)
    here, found, params = session(data), [], 0
    for _ in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            method = here.build(run.training)
            trainer = Trainer(run.training, method, data, RunDirectory(Path(folder)), here.execution, Cost())
            trainer.run(Silent())
        found.append(trainer.state.seconds / steps)
        params = trainer.learners.params
    return statistics.median(found[1:]), params  # the first round warms up


def steps() -> None:
    """Against parameters and batch."""
    print("| width | parameters | batch | steps/s | images/s |\n|--:|--:|--:|--:|--:|")
    for width, batch in [*((width, 256) for width in (64, 128, 256, 512, 1024)), *((256, n) for n in (64, 1024))]:
        each, params = seconds_per_step(digits(), 40, f"network.width={width}", f"train.batch_size={batch}")
        print(f"| {width} | {params:,} | {batch} | {1 / each:.0f} | {batch / each:,.0f} |", flush=True)


def images() -> None:
    """Against the side of the image."""
    print(f"| side | {' | '.join(WAYS)} |\n|--:|{'--:|' * len(WAYS)}")
    for side in (8, 16, 28, 32):
        rates = []
        for said in WAYS.values():
            each, _ = seconds_per_step(resampled(side), 4, "network.name=unet", "train.batch_size=64", *said)
            rates.append(64 / each)
        shown = (f"{rate:.0f} ({rate / rates[0]:.2f})" for rate in rates)
        print(f"| {side} | {' | '.join(shown)} |", flush=True)


def networks() -> None:
    """On 28 x 28 pixels."""
    print("| network | parameters | GFLOPs per image | float32 | bf16-mixed |\n|---|--:|--:|--:|--:|")
    data = resampled(28)
    for spec in load_plugins(environ={}).networks:
        said = [f"network.name={spec.name}", "train.batch_size=128", "train.steps=1", "train.warmup=1"]
        (run,) = commands.plan(load_plugins(environ={}), methods=["fm-ot"], assignments=said)
        with tempfile.TemporaryDirectory() as folder:
            directory, here = RunDirectory(Path(folder)), session(data)
            here.train(run.training, here.build(run.training), directory)
            summary = directory.training()
        flops = (summary.flops or 0) / summary.images / 1e9 if summary else 0
        rates = []
        for precision in ("float32", "bf16-mixed"):
            each, params = seconds_per_step(data, 6, *said[:2], f"train.precision={precision}")
            rates.append(128 / each)
        print(f"| {spec.name} | {params:,} | {flops:.3g} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


def likelihood() -> None:
    """Against the dimension."""
    print("| dimension | calls | seconds | exact trace: calls | seconds |\n|--:|--:|--:|--:|--:|")
    for side in (2, 4, 8, 16, 28):
        data, dimension = resampled(side), side * side
        method = trained("fm-ot", 600, data)
        x = data.transform.encode(data.test[:POINTS], stream("cpu", 0, "dequantise"))
        cells = []
        for exact in (0, dimension) if dimension <= EXACT_UP_TO else (0,):
            with counted(method) as count:
                begun = time.perf_counter()
                method.log_prob(x, LikelihoodSettings(exact_up_to=exact), stream("cpu", 0, "probes"))
                taken = time.perf_counter() - begun
            cells += [f"{count.calls:.0f}", f"{taken:.2f}"]
        cells += ["", ""] * (len(cells) == 2)
        print(f"| {dimension} | {' | '.join(cells)} |", flush=True)


def slots() -> None:
    """Against slots."""
    print("| slots | seconds |\n|--:|--:|")
    for jobs in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            asked = [*GRID, "--device", "cpu", "--jobs", str(jobs), "--results-dir", folder]
            subprocess.run([sys.executable, "-m", "fmbench", *asked], check=True, capture_output=True)
            print(f"| {jobs} | {time.perf_counter() - begun:.0f} |", flush=True)


PARTS: dict[str, Callable[[], None]] = {
    "steps": steps,
    "images": images,
    "networks": networks,
    "likelihood": likelihood,
    "slots": slots,
}


def main(asked: Sequence[str]) -> None:
    """Print a table of each."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for name in asked or PARTS:
        print(f"\n{name}")
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
