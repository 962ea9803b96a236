"""Tiny runs that finish in a second."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from fmbench import commands
from fmbench.execution import Execution
from fmbench.registry.builtin import fmbench_samplers
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins
from fmbench.request.schema import RunRequest
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import RunDirectory

TINY = (
    "train.steps=6",
    "train.batch_size=16",
    "train.warmup=2",
    "network.width=8",
    "network.depth=1",
    "network.time_width=4",
    "sampler.samples=128",
    "sampler.batch_size=64",
    "sampler.draws=1",
    "sampler.rtol=1e-2",
    "sampler.atol=1e-2",
    "nll.rtol=1e-2",
    "nll.atol=1e-2",
    "nll.probes=1",
    "path-energy.n=64",
    "options.reflow-2.pairs=512",
    "options.reflow-2.solver_steps=4",
)


SAMPLERS = {spec.name: spec for spec in fmbench_samplers()}


def own_options(sampler: str) -> dict[str, object]:
    """The defaults of a shipped sampler's own options."""
    return dict(SAMPLERS[sampler].defaults)


def tiny_plan(*assignments: str, plugins: Plugins | None = None, **said: object) -> list[RunRequest]:
    """A grid of tiny runs."""
    return commands.plan(plugins or load_plugins(environ={}), assignments=[*TINY, *assignments], **said)


def carry_out(
    runs: list[RunRequest], root: Path, plugins: Plugins | None = None, snapshots: int = 0
) -> commands.Outcome:
    """Run them quietly on the CPU."""
    plugins = plugins or load_plugins(environ={})
    cells = commands.locate(runs, root)
    execution = Execution("cpu", snapshots=snapshots, retry=("failed", "timeout"))
    return commands.carry_out(
        cells, plugins, results=root, execution=execution, monitor=GridMonitor(Console(quiet=True))
    )


def numbers(root: Path, run: RunRequest) -> dict[str, float]:
    """The measured numbers of a run that must repeat: seconds do not."""
    records = RunDirectory.of(root, run).metrics()
    return {record.name: record.value for record in records if record.name != "sample-seconds"}
