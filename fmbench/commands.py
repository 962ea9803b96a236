"""What the command line does, callable from Python: run a grid, read its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fmbench import experiment
from fmbench.config import RunRequest
from fmbench.engine import local
from fmbench.plugins import Plugins
from fmbench.report import table as tables
from fmbench.report.table import Row
from fmbench.specs import Scalar
from fmbench.store.run import RunDirectory


@dataclass(frozen=True)
class Outcome:
    """What a grid came to.

    Args:
        rows: of the runs that were asked for.
        complete: whether every number that was asked for is there.
    """

    rows: list[Row]
    complete: bool


def plan(
    plugins: Plugins,
    *,
    config: str | None = None,
    methods: Sequence[str] | None = None,
    dataset: str | None = None,
    seeds: Sequence[int] | None = None,
    assignments: Sequence[str] = (),
) -> list[RunRequest]:
    """The runs that a configuration and what is said on top of it ask for.

    Args:
        plugins: what there is to choose from.
        config: path of a YAML file or name of a shipped one.
        methods: names, instead of the configuration's.
        dataset: a name, instead of the configuration's.
        seeds: training seeds, instead of the configuration's.
        assignments: "key=value", as `--set` takes them.

    Raises:
        FmbenchError: a name, key or value that makes no sense.
    """
    tree: dict[str, Any] = experiment.read_config(config or experiment.DEFAULT_CONFIG)
    said = {"methods": methods, "dataset": dataset, "seeds": seeds}
    tree = experiment.merge(tree, {key: value for key, value in said.items() if value is not None})
    for text in assignments:
        tree = experiment.merge(tree, experiment.parse_assignment(text))
    return experiment.resolve(tree, plugins)


def run(
    runs: Sequence[RunRequest],
    plugins: Plugins,
    *,
    results: Path = Path("results"),
    device: str = "auto",
    console: Console | None = None,
) -> Outcome:
    """Carry out a grid (what of it is not yet done) and read its rows.

    Raises:
        FmbenchError: the device is not here, or the store cannot be written.
        KeyboardInterrupt: Ctrl-C; the same call resumes.
    """
    console = console or Console(stderr=True)
    done = local.run_all(runs, results, plugins, device=device, console=console)
    asked = {RunDirectory.of(results, one): one.evaluation_overrides for one in runs}

    def wanted(directory: RunDirectory, evaluation: Mapping[str, Scalar]) -> bool:
        # A run that failed before any number was measured stands under no evaluation.
        return directory in asked and (evaluation == asked[directory] or not directory.metrics())

    return Outcome(tables.build(results, wanted=wanted), done)
