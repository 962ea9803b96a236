"""A Slurm cluster, through submitit: job arrays, and requeueing of what is pre-empted or runs into its time limit."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench.engine.base import CLUSTER, Ended, Job
from fmbench.engine.process import Result, RunProcess, last_line
from fmbench.errors import FmbenchError
from fmbench.store.run import RunDirectory

REQUEUES = "slurm_max_num_timeout"
LOGS = ".slurm"  # of the store: submitit's scripts, pickles and logs


class Task:
    """What a Slurm job does: start the run's process and wait; before a pre-emption, ask it to stop, and go on later.

    Args:
        directory: of the run.
        devices: processes that share it.
    """

    def __init__(self, directory: str, devices: int) -> None:
        self.directory, self.devices = directory, devices
        self._process: RunProcess | None = None

    def __call__(self) -> Result:
        """Carry the run out."""
        return self._start().wait(None)

    def _start(self) -> RunProcess:
        self._process = RunProcess(RunDirectory(Path(self.directory)), self.devices, os.uname().nodename)
        return self._process

    def checkpoint(self) -> Any:
        """Called by submitit when Slurm is about to take the node away: the same task again, from the checkpoint."""
        import submitit

        if self._process is not None:
            self._process.stop()
        return submitit.helpers.DelayedSubmission(Task(self.directory, self.devices))

    __submitit_checkpoint__ = checkpoint  # its name from submitit 1.6 on


class Slurm:
    """Job arrays of a Slurm cluster.

    The store must be on a file system that all nodes share.

    Args:
        results: the store; scripts and logs go to its folder `.slurm`.
        options: of submitit's executor, as slurm_partition, cpus_per_task, slurm_array_parallelism.
        timeout: seconds: Slurm's time limit, after which a run is requeued and goes on; None for the cluster's.
        cluster: "slurm"; "local" and "debug" are submitit's own stand-ins.

    Raises:
        FmbenchError: submitit is not installed, there is no Slurm, or it does not know an option.
    """

    room = CLUSTER

    def __init__(
        self, results: Path, options: Mapping[str, Any], timeout: float | None, cluster: str = "slurm"
    ) -> None:
        try:
            import submitit
        except ImportError as error:
            raise FmbenchError("--engine slurm: submitit is not installed; pip install '.[slurm]'") from error
        limit = {} if timeout is None else {"timeout_min": max(1, round(timeout / 60))}
        try:
            folder = (results / LOGS).resolve() / "%j"
            # How often a run may reach its time limit is asked of the executor itself, all else of its jobs.
            itself = {key: value for key, value in options.items() if key == REQUEUES}
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster, **itself)
            jobs = {key: value for key, value in options.items() if key != REQUEUES}
            self._executor.update_parameters(name="fmbench", **limit, **jobs)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise FmbenchError(f"--engine slurm: {' '.join(str(error).split())}") from error
        self._new: list[Job] = []
        self._running: list[tuple[Job, Any, float]] = []

    def submit(self, job: Job) -> None:
        """Take it; the next `wait` hands all that were taken to Slurm as one array."""
        self._new.append(job)

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended; one that Slurm has requeued has not."""
        self._hand_over()
        time.sleep(seconds)
        ended = [entry for entry in self._running if entry[1].done()]
        self._running = [entry for entry in self._running if entry not in ended]
        return [self._ended(*entry) for entry in ended]

    def _hand_over(self) -> None:
        """One array for every number of devices."""
        for devices in sorted({job.devices for job in self._new}):
            jobs = [job for job in self._new if job.devices == devices]
            if devices > 1:
                self._executor.update_parameters(gpus_per_node=devices)
            with self._executor.batch():
                handles = [self._executor.submit(Task(str(job.directory.path.resolve()), devices)) for job in jobs]
            now = time.monotonic()
            self._running += [(job, handle, now) for job, handle in zip(jobs, handles, strict=True)]
        self._new.clear()

    @staticmethod
    def _ended(job: Job, handle: Any, begun: float) -> Ended:
        waited, error = time.monotonic() - begun, handle.exception()
        output = last_line(job.directory.output)
        if error is None:
            result: Result = handle.result()
            return Ended(job, result.code, result.seconds, result.timeout, output)
        told = output or " ".join(str(error).split())[-200:]
        return Ended(job, None, waited, output=f"{told} (Slurm job {handle.job_id}, state {handle.state})")

    def stop(self) -> None:
        """Cancel what is left; Slurm's SIGTERM lets each run write its checkpoint."""
        for _, handle, _ in self._running:
            handle.cancel()
        self._running.clear()
        self._new.clear()
