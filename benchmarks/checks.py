"""What the checks at the doors cost of a short run, in percent of its seconds: python benchmarks/checks.py [dataset].

A run of 300 steps with the default metrics of 2000 samples, in this process, once it has imported everything. Each
check is timed where it is called; what one calls of the others counts once. Loading plugins and reading the request
are part of it, though they are paid once per command and not once per run.
"""

from __future__ import annotations

import pkgutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from rich.console import Console

from fmbench import commands
from fmbench.registry.discovery import load_plugins

SHORT = ["train.steps=300", "sampler.samples=2000", "sampler.draws=1"]
CHECKS = {
    "specs": ("fmbench.registry.plugins.fault_of", "fmbench.registry.plugins.unmet"),
    "request": ("fmbench.request.grid.check_brought", "fmbench.request.resolution.refuse_misfit"),
    "data": ("fmbench.data.checks.check",),
    "network": ("fmbench.training.session.try_network",),
    "generators of NumPy and Python": ("fmbench.training.loop.reseed",),
    "samples": ("fmbench.metrics.base.check_samples",),
    "seals": ("fmbench.metrics.seals.Seals.add", "fmbench.metrics.seals.Seals.broken"),
    "values": ("fmbench.run.evaluate.checked",),
    "digest of the data": ("fmbench.data.base.Dataset.content",),
    "digests of the code": ("fmbench.registry.code.PresentCode.of", "fmbench.registry.code.PresentCode.changed"),
}


class Clock:
    """Seconds by part; of parts within each other, the outer one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = False

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, whose time is added to the part."""

        def timed(*given: Any, **named: Any) -> Any:
            if self._inside:
                return function(*given, **named)
            self._inside, begun = True, time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self._inside = False
                self.seconds[part] += time.perf_counter() - begun

        return timed


def target(path: str) -> tuple[Any, str]:
    """What holds a name, and the name."""
    home, _, name = path.rpartition(".")
    return pkgutil.resolve_name(home), name


def main(dataset: str) -> None:
    """A first run to import everything, then the one that is timed."""
    clock = Clock()
    with ExitStack() as stack:
        for round_ in ("warm", "timed"):
            clock.seconds.clear()
            begun = time.perf_counter()
            plugins = load_plugins(environ={})
            runs = commands.plan(plugins, methods=["fm-ot"], dataset=dataset, assignments=SHORT)
            with tempfile.TemporaryDirectory() as folder:
                commands.execute(runs.runs, plugins, results=Path(folder), device="cpu", console=Console(quiet=True))
            total = time.perf_counter() - begun
            if round_ == "warm":
                for part, paths in CHECKS.items():
                    for path in paths:
                        holder, name = target(path)
                        stack.enter_context(mock.patch.object(holder, name, clock.timed(part, getattr(holder, name))))
    for part in CHECKS:
        sys.stdout.write(
            f"{part:32s} {1000 * clock.seconds[part]:8.1f} ms {100 * clock.seconds[part] / total:6.2f} %\n"
        )
    spent = sum(clock.seconds.values())
    sys.stdout.write(
        f"{'all, of ' + format(total, '.1f') + ' s':32s} {1000 * spent:8.1f} ms {100 * spent / total:6.2f} %\n"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "digits")
