"""From the planned runs of a grid to finished runs: what is left to do, placed on an engine, every end written down."""

from __future__ import annotations

import math
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import structs
from rich.console import Console

from fmbench import provenance
from fmbench.engine.base import Ended, Engine, Job
from fmbench.execution import Execution
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import RunRequest
from fmbench.run.exits import BUSY, INTERRUPTED
from fmbench.scheduling.estimate import time_left
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.coverage import complete
from fmbench.store.locks import is_held
from fmbench.store.records import JobRecord, StatusRecord
from fmbench.store.run import RunDirectory
from fmbench.store.staleness import changes

PlannedRun = tuple[RunRequest, RunDirectory]
Verdict = Literal["to do", "done", "failed", "timeout", "elsewhere"]
POLL = 0.5  # seconds between two looks at what runs


def verdict(run: RunRequest, directory: RunDirectory) -> Verdict:
    """What the store says of a run."""
    if not directory.exists():
        return "to do"
    status = directory.status()
    elsewhere = status.state == "running" and status.host != socket.gethostname()
    if elsewhere and is_held(directory.path / "run.json"):
        return "elsewhere"
    if status.state in ("failed", "timeout"):
        return status.state
    return "done" if complete(run, directory) else "to do"


def run_all(
    planned: Sequence[PlannedRun],
    plugins: Plugins,
    results: Path,
    engine: Engine,
    execution: Execution,
    monitor: GridMonitor,
) -> bool:
    """Carry out what is not yet done; one run's failure does not stop the others.

    Args:
        planned: the grid: what is asked, each with the directory that it lives in.
        plugins: where their parts come from.
        results: the store.
        engine: places the processes.
        execution: how to carry it out.
        monitor: told of what happens.

    Returns:
        Whether every number that was asked for is there now.

    Raises:
        FmbenchError: the device is not here, or the store cannot be written.
        KeyboardInterrupt: Ctrl-C; what was done is kept, and the same call goes on from there.
    """
    chosen = choose(planned, plugins, execution, monitor.console)
    left = []
    try:
        for directory in longest_first(chosen, results):
            left.append(prepare(directory, chosen[directory], execution))
            engine.submit(left[-1])
        with monitor.over(left):
            while left:
                for ended in engine.wait(POLL):
                    monitor.ended(ended, settle(ended))
                    left.remove(ended.job)
                monitor.look()
    except KeyboardInterrupt:
        monitor.console.print("stopping: every run writes a checkpoint; Ctrl-C again kills them", soft_wrap=True)
        raise
    finally:
        try:
            engine.stop()
        finally:
            for job in left:
                requeue(job.directory)
    return all(complete(*run) for run in planned)


def choose(
    planned: Sequence[PlannedRun], plugins: Plugins, execution: Execution, console: Console
) -> dict[RunDirectory, list[RunRequest]]:
    """What is to be carried out, by directory; what is not, and why, is said."""
    chosen: dict[RunDirectory, list[RunRequest]] = {}
    passed: Counter[str] = Counter()
    stale = {directory for _, directory in planned if changes(directory, plugins.code)}
    if execution.rerun_stale:
        for directory in stale:
            directory.set_aside()
        stale.clear()
    for run, directory in planned:
        found = verdict(run, directory)
        if found == "to do" or found in execution.retry or (found == "done" and execution.renew):
            chosen.setdefault(directory, []).append(run)
        else:
            passed[found] += 1
    if passed["done"]:
        console.print(f"{passed['done']} of {len(planned)} runs are done already")
    for state in ("failed", "timeout"):
        if passed[state]:
            console.print(f"{passed[state]} ended as {state!r} before: --retry {state} tries again", soft_wrap=True)
    if passed["elsewhere"]:
        console.print(f"{passed['elsewhere']} are being carried out by other processes", soft_wrap=True)
    if stale:
        text = f"{len(stale)} were trained by other code, or on other data, than there is now (stale)"
        remedies = "--rerun stale trains them anew, `fmbench verify` tells whether that matters"
        console.print(f"{text}: {remedies}", soft_wrap=True)
    return chosen


def longest_first(chosen: Mapping[RunDirectory, Sequence[RunRequest]], results: Path) -> list[RunDirectory]:
    """The order in which slots are kept busy to the end; those of unknown length come before all others."""
    planned = [(run, directory) for directory, runs in chosen.items() for run in runs]
    seconds = dict.fromkeys(chosen, 0.0)
    for (_, directory), guess in zip(planned, time_left(planned, results), strict=True):
        seconds[directory] += math.inf if guess is None else guess.seconds
    return sorted(chosen, key=seconds.__getitem__, reverse=True)


def prepare(directory: RunDirectory, runs: Sequence[RunRequest], execution: Execution) -> Job:
    """Write down what a run's process is to do."""
    directory.create(runs[0])
    mine = structs.replace(
        execution,
        command=provenance.command_line(),
        plugins=tuple(str(Path(file).resolve()) for file in execution.plugins),
        devices=runs[0].training.train.devices,
    )
    directory.set_job(JobRecord(runs=tuple(runs), execution=mine))
    before = directory.status()
    if before.state != "queued" and not is_held(directory.path / "run.json"):
        directory.set_status(StatusRecord(state="queued", stage=before.stage, step=before.step, steps=before.steps))
    training = runs[0].training
    return Job(
        directory, f"{training.method.name} on {training.dataset.name}, seed {training.seed}", training.train.devices
    )


def requeue(directory: RunDirectory) -> None:
    """What was stopped before it could say so is to be done still."""
    status = directory.status()
    if status.state == "running":
        directory.set_status(structs.replace(status, state="queued", reason="interrupted"))


def settle(ended: Ended) -> StatusRecord:
    """The state that a run is left in; where its process could not write it down any more, that is done here."""
    directory = ended.job.directory
    if directory.output.exists() and not directory.output.stat().st_size:
        directory.output.unlink()
    status = directory.status()
    if ended.code == BUSY:
        return status  # another process holds the run, and says itself how it stands
    if status.state == "done" and status.reason:  # why nothing more was measured: it is said, and is no part of the run
        directory.set_status(structs.replace(status, reason=""))
        return status
    if ended.timeout and status.state != "done":
        found: dict[str, str] = {"state": "timeout", "reason": "took longer than --timeout allows"}
    elif status.state == "running" and ended.code == INTERRUPTED:
        found = {"state": "queued", "reason": "interrupted"}
    elif status.state == "running" or (status.state == "queued" and ended.code != INTERRUPTED):
        found = {"state": "failed", "reason": ended.cause}
    else:
        return status
    status = structs.replace(status, **found)
    directory.set_status(status)
    return status
