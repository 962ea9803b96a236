"""One run in this process: train, evaluate, and leave its state behind."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from msgspec import structs

from fmbench import provenance
from fmbench.data import checks
from fmbench.errors import DivergedError, describe
from fmbench.execution import Execution
from fmbench.metrics.base import Evaluation, Snapshot
from fmbench.progress import Progress, Silent, watched_by
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import RunRequest, TrainingRequest
from fmbench.run.evaluate import evaluate
from fmbench.run.reporter import StatusReporter
from fmbench.seeding import generators_kept
from fmbench.store.coverage import missing
from fmbench.store.files import write_text
from fmbench.store.locks import run_lock
from fmbench.store.records import State, StatusRecord
from fmbench.store.run import RunDirectory
from fmbench.store.staleness import StaleError, note_data, parts_of_number, parts_of_training, refuse_stale
from fmbench.training import checkpoints
from fmbench.training.interrupts import Interrupted
from fmbench.training.precision import products
from fmbench.training.session import TrainingSession, averaged, load_averaged


def carry_out_run(
    runs: Sequence[RunRequest], directory: RunDirectory, plugins: Plugins, execution: Execution, progress: Progress
) -> StatusRecord:
    """Carry out what of one directory's runs is not yet done; a failure becomes their status instead of an exception.

    Args:
        runs: one training, measured in one or several ways.
        directory: where it lives.
        plugins: where its parts come from.
        execution: how to carry it out.
        progress: told of progress.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run is left queued and the same request resumes it.
        BusyError: another process carries it out.
        FmbenchError: the store cannot be written.
    """
    asked = runs[0].training.train.steps
    with run_lock(directory.path / "run.json"):
        before = directory.status()
        reporter = StatusReporter(directory, asked, progress)
        try:
            with products("float32"), generators_kept(), watched_by(reporter):
                _train_and_evaluate(runs, directory, plugins, execution, reporter)
            steps = reporter.status.step
            status = StatusRecord(state="done", stage="evaluate", step=steps, steps=steps)
        except Interrupted as stop:
            directory.set_status(StatusRecord(state="queued", step=stop.step, steps=asked, reason=str(stop)))
            raise KeyboardInterrupt from stop
        except KeyboardInterrupt:
            queued = structs.replace(
                reporter.status, state="queued", reason="interrupted", doing="", note="", left=None
            )
            directory.set_status(queued)
            raise
        except StaleError as error:
            state: State = "failed" if directory.training() is None else "done"
            status = structs.replace(before, state=state, reason=str(error))
        except DivergedError as error:
            status = StatusRecord(state="failed", step=error.step, steps=asked, reason=str(error))
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it becomes the row's reason
            write_text(directory.log, traceback.format_exc())
            at = reporter.status
            reason = f"{describe(error)} (see log.txt)"
            status = StatusRecord(state="failed", stage=at.stage, step=at.step, steps=asked, reason=reason)
        directory.set_status(status)
        return status


def share_training(request: TrainingRequest, directory: RunDirectory, plugins: Plugins, execution: Execution) -> None:
    """What a process of rank above 0 does: its share of every training step. Rank 0 keeps the records.

    Raises:
        KeyboardInterrupt: all processes stop.
    """
    try:
        with products("float32"), generators_kept():
            session = session_for(request, plugins, execution, Silent())
            session.train(request, session.build(request), directory)
    except Interrupted as stop:
        raise KeyboardInterrupt from stop


def session_for(
    request: TrainingRequest, plugins: Plugins, execution: Execution, progress: Progress
) -> TrainingSession:
    """The data, and everything else that a training needs.

    Raises:
        FmbenchError: the data are not what their spec says.
    """
    spec = plugins.datasets.get(request.dataset.name)
    dataset = checks.load(spec, request.dataset.options)
    return TrainingSession(dataset, plugins, execution, progress)


def _train_and_evaluate(
    runs: Sequence[RunRequest],
    directory: RunDirectory,
    plugins: Plugins,
    execution: Execution,
    reporter: StatusReporter,
) -> None:
    request, started = runs[0].training, time.perf_counter()
    spec = plugins.methods.get(request.method.name)
    origin = plugins.methods.origin(spec.name)
    session = session_for(request, plugins, execution, reporter)
    data = session.dataset.content()
    environment = {
        **provenance.environment(spec.factory, origin, execution),
        "code": plugins.code.of(parts_of_training(request, plugins)),
        "data": data,
    }
    summary = directory.training()
    begun = summary is not None or directory.teacher.exists() or any(directory.checkpoints.glob("*"))
    if begun:
        note_data(directory, data)
        if not execution.allow_stale:
            refuse_stale(directory, plugins.code)
    if summary is None:
        method = session.build(request)
        if not begun:
            directory.set_environment("train", environment)  # who began it, should other code go on with it
        session.train(request, method, directory)
        summary = directory.training()
    steps = summary.steps if summary else None
    reporter.enter_evaluation(request.train.steps if steps is None else steps)
    for run in runs:
        wanted = list(run.evaluation.metrics) if execution.renew else missing(run, directory)
        if wanted:
            directory.set_environment("evaluate", environment)  # before its numbers, should it be killed after them
            evaluation = evaluation_of(run, directory, plugins, session)
            code = {metric: plugins.code.of(parts_of_number(run, metric, plugins)) for metric in wanted}

            def again(run: RunRequest = run) -> Evaluation:
                return evaluation_of(run, directory, plugins, session_for(request, plugins, execution, reporter))

            evaluate(run, directory, evaluation, again, plugins.metrics, code)
            cost = {
                "seconds": round(time.perf_counter() - started, 3),  # of this call, what it trained included
                "peak_memory_bytes": provenance.peak_memory(execution.device),
            }
            directory.set_environment("evaluate", {**environment, **cost})


def evaluation_of(run: RunRequest, directory: RunDirectory, plugins: Plugins, session: TrainingSession) -> Evaluation:
    """The trained weights with all that a metric may look at."""
    request, device = run.training, torch.device(session.execution.device)
    kept = reversed(checkpoints.newest_first(directory.snapshots))
    return Evaluation(
        method=load_averaged(session.build(request), directory, device),
        method_spec=plugins.methods.get(request.method.name),
        dataset=session.dataset,
        dataset_spec=plugins.datasets.get(request.dataset.name),
        extractors=plugins.extractors,
        sampler=run.evaluation.sampler,
        seed=request.seed,
        device=device,
        progress=session.progress,
        snapshots=[snapshot(path, session, request, device) for path in kept],
    )


def snapshot(path: Path, session: TrainingSession, request: TrainingRequest, device: torch.device) -> Snapshot:
    """Weights kept during training."""
    state = torch.load(path, map_location=device, weights_only=True)
    return Snapshot(state["step"], state["seconds"], lambda: averaged(session.build(request), state, device))
