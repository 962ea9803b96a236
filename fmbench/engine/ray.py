"""A Ray cluster: each run is a task that waits for the run's process."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench.engine.base import CLUSTER, Ended, Job
from fmbench.engine.process import Result, RunProcess, last_line
from fmbench.errors import FmbenchError, unknown
from fmbench.store.run import RunDirectory

OPTIONS = {"cpus": 1.0, "gpus": 0.0}


def carry_out(directory: str, devices: int, timeout: float | None) -> Result:
    """What a task does: start the run's process and wait; cancelled, ask it to stop."""
    slot = ", ".join(filter(None, [os.uname().nodename, os.environ.get("CUDA_VISIBLE_DEVICES", "")]))
    process = RunProcess(RunDirectory(Path(directory)), devices, slot)
    try:
        return process.wait(timeout)
    except BaseException:
        process.stop()
        raise


class Ray:
    """Tasks on the cluster that RAY_ADDRESS names, or on this machine where it names none.

    The store must be on a file system that all of its machines share, under the same path.

    Args:
        options: "cpus" and "gpus" that a run takes; gpus may be a fraction.
        timeout: seconds that a run may take; None for ever.

    Raises:
        FmbenchError: Ray is not installed, or there is no such cluster.
    """

    room = CLUSTER

    def __init__(self, options: Mapping[str, float], timeout: float | None) -> None:
        for key in options:
            if key not in OPTIONS:
                raise unknown("option of --engine ray", key, OPTIONS)
        try:
            import ray
        except ImportError as error:
            raise FmbenchError("--engine ray: Ray is not installed; pip install '.[ray]'") from error
        self._ray, self._options, self._timeout = ray, {**OPTIONS, **options}, timeout
        self._running: dict[Any, tuple[Job, float]] = {}
        try:
            ray.init(log_to_driver=False, include_dashboard=False if "RAY_ADDRESS" not in os.environ else None)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise FmbenchError(f"--engine ray: no cluster: {' '.join(str(error).split())}") from error

    def submit(self, job: Job) -> None:
        """Hand it to the cluster, which starts it when its resources are free."""
        task = self._ray.remote(carry_out).options(
            num_cpus=self._options["cpus"] * job.devices,
            num_gpus=self._options["gpus"] * job.devices,
            max_retries=0,
            name=job.name,
        )
        reference = task.remote(str(job.directory.path.resolve()), job.devices, self._timeout)
        self._running[reference] = job, time.monotonic()

    def wait(self, seconds: float) -> list[Ended]:
        """The tasks that have ended."""
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [self._ended(reference) for reference in done]

    def _ended(self, reference: Any) -> Ended:
        job, begun = self._running.pop(reference)
        seconds, output = time.monotonic() - begun, last_line(job.directory.output)
        try:
            result: Result = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Ended(job, None, seconds, output=output or type(error).__name__)
        return Ended(job, result.code, result.seconds, result.timeout, output)

    def stop(self) -> None:
        """Cancel all tasks: each asks its process to stop, and waits for it."""
        for reference in self._running:
            self._ray.cancel(reference)
        self._ray.wait(list(self._running), num_returns=len(self._running)) if self._running else None
        self._ray.shutdown()
