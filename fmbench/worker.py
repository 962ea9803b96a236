"""One run, in one process, from one directory: `python -m fmbench.worker RUN_DIR`.

What to do stands in run.json and job.json, what came of it goes into the same directory, and the exit status says how
it ended (`engine.base`). Whoever starts it, and wherever, only chooses the place.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from fmbench import checkpoints, provenance
from fmbench.config import RunRequest, TrainingRequest
from fmbench.data.base import Dataset
from fmbench.discovery import load_plugins
from fmbench.engine.base import BUSY, DONE, FAILED, INTERRUPTED, REFUSED
from fmbench.errors import DivergedError, FmbenchError
from fmbench.evaluate import evaluate
from fmbench.metrics.base import Evaluation, Snapshot
from fmbench.plugins import Plugins, describe
from fmbench.progress import Reporter, Silent, Watcher
from fmbench.store.cells import missing
from fmbench.store.files import write_text
from fmbench.store.locks import BusyError, run_lock
from fmbench.store.records import JobRecord, StatusRecord
from fmbench.store.run import RunDirectory
from fmbench.train import Interrupted
from fmbench.training import Runtime, School, averaged, load_averaged

EXIT = {"done": DONE, "failed": FAILED}  # by the state that the run is left in


def main(arguments: Sequence[str]) -> int:
    """Carry out one run directory; the exit status."""
    try:
        (folder,) = arguments
    except ValueError:
        sys.stderr.write("usage: python -m fmbench.worker RUN_DIR\n")
        return REFUSED
    directory = RunDirectory(Path(folder))
    try:
        plugins = load_plugins([Path(file) for file in directory.job().plugins])
    except FmbenchError as error:
        return refuse(error)
    return work(directory, plugins)


def work(directory: RunDirectory, plugins: Plugins) -> int:
    """Carry out a run directory's job in this process; the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        job = directory.job()
        status = execute(job.runs, directory, plugins, runtime_of(job), Silent())
    except KeyboardInterrupt:
        return INTERRUPTED
    except BusyError as error:
        sys.stderr.write(f"{error}\n")
        return BUSY
    except FmbenchError as error:
        return refuse(error)
    return EXIT[status.state]


def refuse(error: FmbenchError) -> int:
    """Say why there is nothing to carry out."""
    sys.stderr.write(f"{error}\n")
    return REFUSED


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM is how an engine asks a run to stop: as Ctrl-C, what is done is kept."""
    del number, frame
    raise KeyboardInterrupt


def runtime_of(job: JobRecord) -> Runtime:
    """How a job is carried out here.

    Raises:
        FmbenchError: CUDA was asked for and is not here.
    """
    return Runtime(choose_device(job.device), job.checkpoint_seconds, job.snapshots, job.renew)


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
    runs: Sequence[RunRequest], directory: RunDirectory, plugins: Plugins, runtime: Runtime, watcher: Watcher
) -> StatusRecord:
    """Carry out what of one directory's runs is not yet done; a failure becomes their status instead of an exception.

    Args:
        runs: one training, measured in one or several ways.
        directory: where it lives.
        plugins: where its parts come from.
        runtime: how to carry it out.
        watcher: told of progress.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run is left queued and the same request resumes it.
        BusyError: another process carries it out.
        FmbenchError: the store cannot be written.
    """
    steps = runs[0].training.train.steps
    with run_lock(directory.path / "run.json"):
        reporter = Reporter(directory, steps, watcher)
        try:
            with deterministic():
                _train_and_evaluate(runs, directory, plugins, runtime, reporter)
            status = StatusRecord(state="done", stage="evaluate", step=steps, steps=steps)
        except Interrupted as stop:
            directory.set_status(StatusRecord(state="queued", step=stop.step, steps=steps, reason=str(stop)))
            raise KeyboardInterrupt from stop
        except KeyboardInterrupt:
            queued = {"state": "queued", "reason": "interrupted", "doing": "", "note": "", "left": None}
            directory.set_status(reporter.status.model_copy(update=queued))
            raise
        except DivergedError as error:
            status = StatusRecord(state="failed", step=error.step, steps=steps, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it becomes the row's reason
            write_text(directory.log, traceback.format_exc())
            at = reporter.status
            reason = f"{describe(error)} (see log.txt)"
            status = StatusRecord(state="failed", stage=at.stage, step=at.step, steps=steps, reason=reason)
        directory.set_status(status)
        return status


def _train_and_evaluate(
    runs: Sequence[RunRequest], directory: RunDirectory, plugins: Plugins, runtime: Runtime, reporter: Reporter
) -> None:
    request, begun = runs[0].training, time.perf_counter()
    spec = plugins.methods.get(request.method.name)
    environment = provenance.environment(spec.factory, plugins.methods.origin(spec.name), runtime.device)
    dataset_spec = plugins.datasets.get(request.dataset.name)
    dataset: Dataset = dataset_spec.load()(**request.dataset.options)
    school = School(dataset, plugins, runtime, reporter)
    if directory.training() is None:
        method = school.build(request)
        if not any(directory.checkpoints.glob("*")):  # who began it, should other code go on with it
            directory.set_environment("train", environment)
        school.train(request, method, directory)
    reporter.enter_evaluation(request.train.steps)
    device = torch.device(runtime.device)
    for run in runs:
        wanted = list(run.evaluation.metrics) if runtime.renew else missing(run, directory)
        if not wanted:
            continue
        evaluation = Evaluation(
            method=load_averaged(school.build(request), directory, device),
            method_spec=spec,
            dataset=dataset,
            dataset_spec=dataset_spec,
            extractors=plugins.extractors,
            sampler=run.evaluation.sampler,
            seed=request.seed,
            device=device,
            watcher=reporter,
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
