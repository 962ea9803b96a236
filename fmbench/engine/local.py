"""Carries out the runs of a grid in this process, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from fmbench.config import RunRequest
from fmbench.errors import FmbenchError
from fmbench.plugins import Plugins
from fmbench.progress import watching
from fmbench.store.cells import complete
from fmbench.store.run import RunDirectory

DEVICES = ("auto", "cpu", "cuda")


Cell = tuple[RunRequest, RunDirectory]


def run_all(
    cells: Sequence[Cell],
    plugins: Plugins,
    *,
    console: Console,
    device: str = "auto",
    snapshots: int = 0,
    renew: bool = False,
) -> bool:
    """Carry out what is not yet done; one run's failure does not stop the others.

    Args:
        cells: the grid: what is asked, and the directory that it lives in.
        plugins: where their parts come from.
        console: for progress and one line a run.
        device: "auto", "cpu" or "cuda".
        snapshots: how many times the weights are kept during training, for the learning curve.
        renew: whether to measure again what is there already.

    Returns:
        Whether every number that was asked for is there now.

    Raises:
        FmbenchError: the device is unknown or not here, or the store cannot be written.
        KeyboardInterrupt: Ctrl-C; what was done is kept, and the same call goes on from there.
    """
    if device not in DEVICES:
        raise FmbenchError(f"--device {device!r}: choose {', '.join(DEVICES[:-1])} or {DEVICES[-1]}")
    waiting = [cell for cell in cells if renew or not complete(*cell)]
    if len(waiting) < len(cells):
        console.print(f"{len(cells) - len(waiting)} of {len(cells)} runs are done already")
    if waiting:
        from fmbench import worker  # torch, only where there is work
        from fmbench.training import Runtime

        runtime = Runtime(worker.choose_device(device), snapshots=snapshots, renew=renew)
        for run, directory in waiting:
            directory.create(run)
            name = f"{run.training.method.name} on {run.training.dataset.name}, seed {run.training.seed}"
            begun = time.perf_counter()
            with watching(console, name) as watcher:
                status = worker.execute(run, directory, plugins, runtime, watcher)
            colour = "green" if status.state == "done" else "red"
            ended = f"[{colour}]{status.state}[/] in {time.perf_counter() - begun:.0f} s"
            console.print(f"{escape(name)}: {ended}" + (f": {escape(status.reason)}" if status.reason else ""))
    return all(complete(*cell) for cell in cells)
