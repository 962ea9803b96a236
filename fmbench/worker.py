"""One run, in one process, from one directory: train, evaluate, and say how it ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fmbench import checkpoints, provenance, team
from fmbench.config import RunRequest, TrainingRequest
from fmbench.data.base import Dataset
from fmbench.errors import DivergedError, FmbenchError
from fmbench.evaluate import evaluate
from fmbench.interrupts import Interrupted
from fmbench.metrics.base import Evaluation, Snapshot
from fmbench.plugins import Plugins, describe
from fmbench.progress import Watcher
from fmbench.runtime import Runtime
from fmbench.store.cells import missing
from fmbench.store.files import write_text
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from fmbench.training import School, averaged, load_averaged


def choose_device(asked: str) -> str:
    """The device for "auto", "cpu" or "cuda".

    Raises:
        FmbenchError: CUDA was asked for and is not here.
    """
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise FmbenchError("--device cuda: PyTorch finds no CUDA device here; use --device cpu")
    return "cuda" if available and asked != "cpu" else "cpu"


def execute(
    run: RunRequest, directory: RunDirectory, plugins: Plugins, runtime: Runtime, watcher: Watcher
) -> StatusRecord:
    """Carry out what of a run is not yet done; a failure becomes its status instead of an exception.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run is left queued and the same request resumes it.
        FmbenchError: the store cannot be written.
    """
    steps = run.training.train.steps
    say = directory.set_status if team.rank(runtime.devices) == 0 else _ignored
    try:
        with deterministic():
            _train_and_evaluate(run, directory, plugins, runtime, watcher)
        status = StatusRecord(state="done", stage="evaluate", step=steps, steps=steps)
    except Interrupted as stop:
        say(StatusRecord(state="queued", step=stop.step, steps=steps, reason=str(stop)))
        raise KeyboardInterrupt from stop
    except KeyboardInterrupt:
        say(directory.status().model_copy(update={"state": "queued", "reason": "interrupted"}))
        raise
    except DivergedError as error:
        status = StatusRecord(state="failed", step=error.step, steps=steps, reason=str(error))
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it becomes the row's reason
        write_text(directory.log, traceback.format_exc())
        stage = directory.status().stage
        status = StatusRecord(state="failed", stage=stage, steps=steps, reason=f"{describe(error)} (see log.txt)")
    say(status)
    return status


def _ignored(status: StatusRecord) -> None:
    """What a process says that is not the leader of its run."""
    del status


def _train_and_evaluate(
    run: RunRequest, directory: RunDirectory, plugins: Plugins, runtime: Runtime, watcher: Watcher
) -> None:
    request, begun = run.training, time.perf_counter()
    steps, leads = request.train.steps, team.rank(runtime.devices) == 0
    if leads:
        directory.set_status(StatusRecord(state="running", steps=steps))
    spec = plugins.methods.get(request.method.name)
    factory = spec.load()
    environment = provenance.environment(factory, plugins.methods.origin(spec.name), runtime.device, runtime.devices)
    dataset_spec = plugins.datasets.get(request.dataset.name)
    dataset: Dataset = dataset_spec.load()(**request.dataset.options)
    school = School(dataset, plugins, runtime, watcher)
    method = school.build(request)
    if directory.training() is None:
        if leads:
            directory.set_environment("train", environment)
        school.train(request, method, directory)
    if not leads:
        return
    directory.set_status(StatusRecord(state="running", stage="evaluate", step=steps, steps=steps))
    wanted = list(run.evaluation.metrics) if runtime.renew else missing(run, directory)
    if wanted:
        device = torch.device(runtime.device)
        evaluation = Evaluation(
            method=load_averaged(method, directory, device),
            method_spec=spec,
            dataset=dataset,
            dataset_spec=dataset_spec,
            extractors=plugins.extractors,
            sampler=run.evaluation.sampler,
            seed=request.seed,
            device=device,
            watcher=watcher,
            snapshots=[
                snapshot(path, school, request, device) for path in checkpoints.newest_first(directory.snapshots)[::-1]
            ],
        )
        evaluate(run, directory, evaluation, plugins.metrics, wanted)
        cost = {
            "seconds": round(time.perf_counter() - begun, 3),  # of this call, what it trained included
            "peak_memory_bytes": provenance.peak_memory(runtime.device),
        }
        directory.set_environment("evaluate", {**environment, **cost})


def snapshot(path: Path, school: School, request: TrainingRequest, device: torch.device) -> Snapshot:
    """Weights kept during training."""
    state = torch.load(path, map_location=device, weights_only=True)
    return Snapshot(state["step"], state["seconds"], lambda: averaged(school.build(request), state, device))


@contextmanager
def deterministic() -> Iterator[None]:
    """float32 products in full precision while a run lasts, so that tolerances mean what they say."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
