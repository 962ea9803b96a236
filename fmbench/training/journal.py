"""The log of a training: train.jsonl, and the loggers that are told as well."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import TracebackType

from fmbench.store import files
from fmbench.store.run import RunDirectory
from fmbench.training import loggers


class Journal:
    """A line every few steps; closed by the end of a `with`.

    Args:
        directory: of the run.
        names: of loggers.

    Raises:
        FmbenchError: a logger is unknown or not installed.
    """

    def __init__(self, directory: RunDirectory, names: Sequence[str]) -> None:
        self._path = directory.train_log
        run_name = "/".join(directory.path.parts[-4:])  # dataset, method, configuration, seed
        self._loggers = [loggers.make(name, directory.path, run_name) for name in names]

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append a line."""
        files.append_lines(self._path, [{"step": step, **values}])
        for logger in self._loggers:
            logger.log(step, values)

    def cut(self, step: int) -> None:
        """Keep the lines up to a step: a resumed training writes those after it again."""
        kept = [line for line in files.read_lines(self._path) if line["step"] <= step]
        files.write_text(self._path, "".join(json.dumps(line, sort_keys=True) + "\n" for line in kept))

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for logger in self._loggers:
            logger.close()
