"""What each of several processes does that train one run, as torchrun starts them: see test_devices.py."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

from fmbench.api import MethodSpec, Option
from fmbench.errors import DivergedError
from fmbench.execution import Execution
from fmbench.methods.gaussian_path import GaussianPathMethod
from fmbench.paths.gaussian import Linear
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, loop
from fmbench.training.devices import part
from fmbench.training.interrupts import Interrupted
from fmbench.training.session import TrainingSession
from tests.helpers import tiny_plan

RUNS = {
    "fm-ot": ("fm-ot", "train.conditional=true"),
    "ot-cfm": ("ot-cfm", "options.ot-cfm.companions=1"),
    "realnvp": ("realnvp",),
    "glow": ("glow",),
    "i-resnet": ("i-resnet",),  # does not share its batches
    "reflow-2": ("reflow-2", "options.reflow-2.pairs=40", "options.reflow-2.solver_steps=2"),
}
FAULTS = ("nan", "wrong", "stop", "memory")


class Faulty(GaussianPathMethod):
    """Goes wrong in its fourth loss, in the process of rank 1 alone."""

    path = Linear()
    calls = 0

    def __init__(self, task, *, fault):
        super().__init__(task)
        self.fault = fault

    def loss(self, batch):
        loss = super().loss(batch)
        if os.environ.get("RANK") != "1":
            return loss
        Faulty.calls += 1  # of all objects: what went wrong once is mended when it is tried again
        return getattr(self, self.fault)(loss) if Faulty.calls == 4 else loss

    def nan(self, loss):
        return loss * float("nan")

    def wrong(self, loss):
        del loss
        raise ValueError("a fault of one process")

    def stop(self, loss):
        os.kill(os.getpid(), signal.SIGTERM)
        return loss

    def memory(self, loss):
        del loss
        raise torch.OutOfMemoryError("too large")

    def hopeless(self, loss):
        Faulty.calls = 3  # the next fails too
        return self.memory(loss)


def plugins():
    loaded = load_plugins(environ={})
    options = {"fault": Option(default="nan", help="")}
    loaded.register(MethodSpec("faulty", "tests.training.two_processes:Faulty", options=options))
    return loaded


def learn(folder, devices, method, *assignments, **more):
    """Train eight steps."""
    loaded = plugins()
    (run,) = tiny_plan("train.steps=8", *assignments, plugins=loaded, methods=[method])
    dataset = loaded.datasets.get("digits").load()()
    session = TrainingSession(dataset, loaded, Execution("cpu", devices=devices, **more), Silent())
    session.train(run.training, session.build(run.training), RunDirectory(folder))


def fitted_by_both(folder):
    """What a process finds once a method is fitted, whose leader is slow to write it down."""
    save = checkpoints.save
    checkpoints.save = lambda *given: (time.sleep(1), save(*given))
    learn(folder, 2, "gaussian")
    checkpoints.save = save
    return RunDirectory(folder).training() is not None


def main(folder):
    """Every run, then every fault, and what was said of each."""
    from tests.training import two_processes  # the module that the spec names, beside this script

    loop.LOG_EVERY = 1
    said = {}
    for name, asked in RUNS.items():
        learn(folder / name, 2, *asked)
    for fault in FAULTS:
        two_processes.Faulty.calls = 0
        try:
            learn(folder / fault, 2, "faulty", f"options.faulty.fault={fault}")
        except (DivergedError, Interrupted, RuntimeError, ValueError) as error:
            said[fault] = f"{type(error).__name__}: {error}"
    learn(folder / "stop", 2, "faulty", "options.faulty.fault=stop")  # goes on from where it stopped
    said["fitted"] = fitted_by_both(folder / "fitted")
    (folder / f"said-{os.environ['RANK']}.json").write_text(json.dumps(said))
    part()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
