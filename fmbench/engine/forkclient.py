"""The scheduler's end of the fork server (`forkserver`)."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fmbench.engine.base import GRACE
from fmbench.engine.process import last_line
from fmbench.errors import FmbenchError


class ForkServerClient:
    """A started fork server.

    Args:
        plugins: files of further plugins, which it loads once for all runs.
        share: among how many processes the cores are divided.

    Attributes:
        lost: whether it is gone.
    """

    def __init__(self, plugins: Sequence[Path], share: int) -> None:
        threads = str(max(1, len(os.sched_getaffinity(0)) // share))
        # Two pools of threads on the same cores wait for each other at every barrier: ten times as slow as one.
        limits = {f"{library}_NUM_THREADS": threads for library in ("OMP", "OPENBLAS", "MKL")}
        self._folder = tempfile.TemporaryDirectory(prefix="fmbench-")
        self._errors = Path(self._folder.name) / "errors.txt"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fmbench.engine.forkserver", *map(str, plugins)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**limits, **os.environ},
                start_new_session=True,  # Ctrl-C reaches the scheduler alone, which then decides
            )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._pending = b""
        self._ready = self.lost = False

    def ask(self, what: dict[str, Any]) -> None:
        """Send a request; of a server that is gone `listen` tells."""
        try:
            self._input.write(json.dumps(what).encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            return

    def listen(self, seconds: float) -> Iterator[dict[str, Any]]:
        """What it has said since the last call, waiting at most so long for the first word.

        Raises:
            FmbenchError: it could not even start.
        """
        if not self._selector.select(seconds):
            return
        received = os.read(self._output.fileno(), 65536)
        if not received:
            if not self._ready:
                raise FmbenchError(f"no worker process can be started: {self.last_words or 'no reason given'}")
            self.lost = True
        *lines, self._pending = (self._pending + received).split(b"\n")
        for line in lines:
            message = json.loads(line)
            self._ready = True
            yield message

    @property
    def last_words(self) -> str:
        """The last line that it wrote to standard error."""
        return last_line(self._errors)

    def close(self) -> None:
        """End its input: it asks its children to stop, and goes when they have; it kills those that do not."""
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._input.close()
            self._process.wait(2 * GRACE)

    def end(self) -> None:
        """Make sure that it is gone, and tidy up."""
        self._process.kill()
        self._process.wait()
        with suppress(BrokenPipeError):  # of a request that never reached it
            self._input.close()
        self._output.close()
        self._selector.close()
        self._folder.cleanup()
