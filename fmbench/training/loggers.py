"""Where a training's log may go beside train.jsonl: TensorBoard, or Weights & Biases.

What is logged changes no number, so a run's identity does not know of it. A resumed run goes on in its own log.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from fmbench.errors import FmbenchError, unknown
from fmbench.store.files import write_text

PROJECT = "fmbench"


class Logger(Protocol):
    """Told every few steps how training goes, by one process of a run alone."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, as {"loss": 0.3}, after an optimiser step (counted from 1)."""

    def close(self) -> None:
        """Write what is not yet written; nothing is logged after this."""


def make(name: str, directory: Path, run_name: str) -> Logger:
    """A logger.

    Args:
        name: "tensorboard" or "wandb".
        directory: of the run; files go into a folder of the logger's name there.
        run_name: what the run is called where it is shown beside others.

    Raises:
        FmbenchError: there is no such logger, or its package is not installed.
    """
    package = package_of(name)
    return LOGGERS[name][1](package, directory, run_name)


def package_of(name: str) -> Any:
    """The package that a logger writes with.

    Raises:
        FmbenchError: there is no such logger, or its package is not installed.
    """
    if name not in LOGGERS:
        raise unknown("logger", name, LOGGERS)
    try:
        return importlib.import_module(LOGGERS[name][0])
    except ImportError as error:
        raise FmbenchError(f"logger {name!r} cannot be had ({error}): pip install '.[loggers]'") from error


class TensorBoard:
    """Event files for `tensorboard --logdir results`, which names a run by its directory."""

    def __init__(self, package: Any, directory: Path, run_name: str) -> None:
        del run_name
        self._open = package.SummaryWriter
        self._folder = directory / "tensorboard"
        self._writer: Any = None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar a name."""
        if self._writer is None:
            # What an interrupted run logged beyond its last checkpoint is done again: hide it.
            self._writer = self._open(str(self._folder), purge_step=step, flush_secs=30)
        for name, value in values.items():
            self._writer.add_scalar(f"train/{name}", value, step)

    def close(self) -> None:
        """Flush the event file."""
        if self._writer is not None:
            self._writer.close()


class WeightsAndBiases:
    """A run of project "fmbench"; wandb's own environment variables say where it goes, WANDB_MODE=offline included."""

    def __init__(self, package: Any, directory: Path, run_name: str) -> None:
        identity = directory / "wandb" / "run-id.txt"
        if not identity.exists():
            write_text(identity, uuid4().hex[:12])
        self._run = package.init(
            project=PROJECT, name=run_name, id=identity.read_text(), resume="allow", dir=str(directory)
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """All of them at one step; wandb itself passes over steps that it has seen."""
        self._run.log({f"train/{name}": value for name, value in values.items()}, step=step)

    def close(self) -> None:
        """Upload the rest."""
        self._run.finish()


LOGGERS: Mapping[str, tuple[str, Callable[[Any, Path, str], Logger]]] = {
    "tensorboard": ("torch.utils.tensorboard", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}
"""The module to import, and what is made of it."""
