"""One run, in one process, from one directory: `python -m fmbench.run.worker RUN_DIR`.

What to do stands in run.json and job.json, what came of it goes into the same directory, and the exit status says how
it ended (`exits`). Whoever starts it, and wherever, only chooses the place.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import torch
from msgspec import structs

from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins
from fmbench.run import stages
from fmbench.run.exits import BUSY, DONE, FAILED, INTERRUPTED, REFUSED
from fmbench.store.locks import BusyError
from fmbench.store.records import JobRecord
from fmbench.store.run import RunDirectory
from fmbench.training import devices

EXIT = {"done": DONE, "failed": FAILED}  # by the state that the run is left in


def main(arguments: Sequence[str]) -> int:
    """Carry out one run directory; the exit status."""
    try:
        (folder,) = arguments
    except ValueError:
        sys.stderr.write("usage: python -m fmbench.run.worker RUN_DIR\n")
        return REFUSED
    directory = RunDirectory(Path(folder))
    try:
        plugins = load_plugins([Path(file) for file in directory.job().execution.plugins])
    except FmbenchError as error:
        return refuse(error)
    return work(directory, plugins)


def work(directory: RunDirectory, plugins: Plugins) -> int:
    """Carry out a run directory's job in this process; the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        job = directory.job()
        execution = here(job.execution)
        if devices.rank(execution.devices):
            return follow(job, directory, plugins, execution)
        return EXIT[stages.carry_out_run(job.runs, directory, plugins, execution, Silent()).state]
    except KeyboardInterrupt:
        return INTERRUPTED
    except BusyError as error:
        sys.stderr.write(f"{error}\n")
        return BUSY
    except FmbenchError as error:
        return refuse(error)


def follow(job: JobRecord, directory: RunDirectory, plugins: Plugins, execution: Execution) -> int:
    """A process above rank 0; the exit status."""
    try:
        stages.share_training(job.runs[0].training, directory, plugins, execution)
    except Exception:  # noqa: BLE001 - rank 0 has met the same fault, and will say so; this is for its output
        traceback.print_exc()
    finally:
        devices.part()
    return DONE  # torchrun would end rank 0 before it has said why


def refuse(error: FmbenchError) -> int:
    """Say why there is nothing to carry out."""
    sys.stderr.write(f"{error}\n")
    return REFUSED


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM is how an engine asks a run to stop: as Ctrl-C, what is done is kept."""
    del number, frame
    raise KeyboardInterrupt


def here(execution: Execution) -> Execution:
    """How a job is carried out, on the device that there is.

    Raises:
        FmbenchError: CUDA was asked for and is not here.
    """
    return structs.replace(execution, device=choose_device(execution.device))


def choose_device(asked: str) -> str:
    """The device for "auto", "cpu" or "cuda".

    Raises:
        FmbenchError: CUDA was asked for and is not here.
    """
    if asked == "cuda":
        devices.require_cuda("--device cuda")
    return "cuda" if torch.cuda.is_available() and asked != "cpu" else "cpu"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
