"""The page while the store grows: made anew when there is news, and how the runs stand in between."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from fmbench.errors import FmbenchError
from fmbench.report.page.document import served
from fmbench.report.page.model import gather
from fmbench.report.run_states import ORDER, RunState, run_states

SHOWN = 30  # running runs that are listed
TOLD = ("doing", "done", "total", "note", "left", "slot")  # of each
REST = 5.0  # times as long as the last page took to make, before the next is made
CONTENT = ("run.json", "training.json", "env.json", "metrics.jsonl")
FOLDERS = ("samples", "pictures")


class Site:
    """What `fmbench serve` answers with; safe to ask from several threads.

    Args:
        root: the results directory, which may not be there yet.
        datasets: only these.
    """

    def __init__(self, root: Path, datasets: Sequence[str] | None = None) -> None:
        self._root, self._datasets = root, list(datasets) if datasets else None
        self._lock = Lock()
        self._page, self._error = "", ""
        self._version, self._failed = "", ""  # of the page, and of a store of which none could be made
        self._made = self._took = 0.0

    def page(self) -> str:
        """The page of the store as it is now, or was a moment ago."""
        with self._lock:
            found = list(self._run_states())
            news = self._news(found)
            if not self._page or news != self._version:
                self._make(news, len(found))
            return self._page

    def progress(self) -> dict[str, Any]:
        """How the runs stand, and the version of the page that there would be."""
        with self._lock:
            found = list(self._run_states())
            counts = Counter(run.state for run in found)
            running = [run for run in found if run.state == "running"][:SHOWN]
            return {
                "version": self._news(found),
                "error": self._error,
                "counts": {state: counts[state] for state in ORDER if counts[state]},
                "running": [{"name": run.name, **{key: getattr(run.status, key) for key in TOLD}} for run in running],
            }

    def _run_states(self) -> Iterator[RunState]:
        return run_states(self._root, self._datasets)

    def _news(self, found: Sequence[RunState]) -> str:
        """The version of the page to show: the last one's, where a new one cannot be made or would come too soon."""
        version = version_of(found)
        young = time.monotonic() - self._made < REST * self._took
        return self._version if young or version == self._failed else version

    def _make(self, version: str, runs: int) -> None:
        begun = time.monotonic()
        try:
            self._page = served(gather(self._root, self._datasets) if runs else [], version)
        except FmbenchError as error:  # a file is damaged: the last page stays, and says so
            self._failed, self._error = version, str(error)
            self._page = self._page or served([], "")
        else:
            self._version, self._failed, self._error = version, "", ""
        self._made = time.monotonic()
        self._took = self._made - begun


def version_of(found: Sequence[RunState]) -> str:
    """A digest of what a page shows: of names, sizes and times of files, and of states; not of progress."""
    digest = hashlib.sha256()
    for run in found:
        digest.update(f"{run.directory.path}\0{run.state}\0{run.status.reason}\0".encode())
        for path in content_of(run.directory.path):
            try:
                seen = path.stat()
            except FileNotFoundError:
                continue
            digest.update(f"{path.name}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def content_of(run: Path) -> Iterator[Path]:
    """The files of a run that a page is made of."""
    yield from (run / name for name in CONTENT)
    for folder in FOLDERS:
        if (run / folder).is_dir():
            yield from sorted((run / folder).iterdir())
