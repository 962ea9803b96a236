"""What the command line does, callable from Python: run a grid, measure what is trained, read the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fmbench.engine.base import Engine
from fmbench.engine.inline import Inline
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import Scalar
from fmbench.report import table as tables
from fmbench.report.table import Row
from fmbench.request import files, grid, resolution, sweeps
from fmbench.request.configuration import Scope, Settings, configuration, of_task, settings
from fmbench.request.schema import RunRequest
from fmbench.scheduling.dispatch import PlannedRun, run_all
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.locks import store_lock
from fmbench.store.run import RunDirectory, find_runs
from fmbench.training.loggers import package_of


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
    dataset: str | Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    assignments: Sequence[str] = (),
    sweep: Sequence[str] = (),
    task: str | None = None,
) -> grid.Grid:
    """The runs that a configuration and what is said on top of it ask for.

    Args:
        plugins: what there is to choose from.
        config: path of a YAML file or name of a shipped one.
        methods: names, instead of the configuration's.
        dataset: a name or several, instead of the configuration's.
        seeds: training seeds, instead of the configuration's.
        metrics: names, instead of the configuration's.
        assignments: "key=value", as `--set` takes them.
        sweep: "key=value,value", as `--sweep` takes them; over the configuration's values of the same key.
        task: what is to be done with the datasets, as "sr"; None for drawing points like theirs.

    Raises:
        FmbenchError: a name, key or value that makes no sense.
    """
    tree = files.read_config(config or files.DEFAULT_CONFIG)
    chosen = {"methods": methods, "dataset": dataset, "seeds": seeds, "metrics": metrics}
    tree = files.merge(tree, {key: value for key, value in chosen.items() if value is not None})
    tree.setdefault("dataset", Scope.model_fields["dataset"].default)
    if task is not None:
        tree["dataset"] = of_task(tree["dataset"], task, plugins)
    assigned = files.of_dataset(files.assigned(assignments), tree["dataset"])
    tree = files.merge(tree, assigned)
    swept = {**sweeps.of(tree), **sweeps.parse(sweep)}
    sweeps.refuse_set(swept, assigned)
    return grid.resolve(configuration({**tree, "sweep": swept}, plugins), plugins)


def execute(
    runs: Sequence[RunRequest],
    plugins: Plugins,
    *,
    results: Path = Path("results"),
    device: str = "auto",
    snapshots: int = 0,
    console: Console | None = None,
) -> Outcome:
    """Carry out a grid in this process (what of it is not yet done) and read its rows; failed runs are not retried.

    Args:
        runs: of `plan`.
        plugins: where the parts come from.
        results: the store.
        device: "auto", "cpu" or "cuda".
        snapshots: how many times the weights are kept during training.
        console: for progress; None for standard error.

    Raises:
        FmbenchError: the device is not here, the store cannot be written, or another command uses it.
        KeyboardInterrupt: Ctrl-C; the same call resumes.
    """
    monitor = None if console is None else GridMonitor(console)
    execution = Execution(device, snapshots=snapshots)
    return carry_out(locate(runs, results), plugins, results=results, execution=execution, monitor=monitor)


def carry_out(
    planned: Sequence[PlannedRun],
    plugins: Plugins,
    *,
    results: Path = Path("results"),
    execution: Execution | None = None,
    engine: Engine | None = None,
    monitor: GridMonitor | None = None,
) -> Outcome:
    """Carry out a grid (what of it is not yet done) and read its rows.

    Args:
        planned: what is asked, each with its directory: of `locate` or `plan_evaluation`.
        plugins: where the parts come from.
        results: the store.
        execution: how to carry it out.
        engine: where; None for this process, the only place that knows plugins registered from Python.
        monitor: told of what happens; None for lines on standard error.

    Raises:
        FmbenchError: the device is not here, a logger is unknown or not installed, a run that is to be trained lacks
            room or snapshots, the store cannot be written, or another command uses it.
        KeyboardInterrupt: Ctrl-C; the same call resumes.
    """
    execution, monitor = execution or Execution(), monitor or GridMonitor(Console(stderr=True, highlight=False))
    for name in execution.loggers:
        package_of(name)
    engine = engine or Inline(plugins, monitor.console)
    refuse_unready(planned, plugins, execution, engine.room)
    with store_lock(results):
        done = run_all(planned, plugins, results, engine, execution, monitor)
    return Outcome(rows_of(planned, results), done)


def refuse_unready(planned: Sequence[PlannedRun], plugins: Plugins, execution: Execution, room: int) -> None:
    """Whether runs that are to be trained will have the devices that share them, and the weights that a metric reads.

    Raises:
        FmbenchError: one will not.
    """
    snapped = () if execution.snapshots else [spec.name for spec in plugins.metrics if spec.snapshots]
    for run, directory in planned:
        devices = run.training.train.devices
        wanting = [name for name in snapped if name in run.evaluation.metrics]
        if (devices <= room and not wanting) or directory.training() is not None:
            continue
        if wanting:
            raise FmbenchError(f"metrics: {wanting[0]} reads the weights kept during training: add --snapshots 8")
        more = "name more GPUs (--gpus) or slots (--jobs) of --engine local"
        raise FmbenchError(f"train.devices = {devices}, and there is room for {room}: {more}")


def locate(runs: Sequence[RunRequest], results: Path) -> list[PlannedRun]:
    """Runs, each with its directory in a store."""
    return [(run, RunDirectory.of(results, run)) for run in runs]


def plan_evaluation(
    plugins: Plugins,
    *,
    results: Path = Path("results"),
    methods: Sequence[str] | None = None,
    dataset: str | Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    assignments: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> list[PlannedRun]:
    """What to measure on the trained runs of a store, each with its directory.

    Args:
        plugins: what there is to choose from.
        results: the store.
        methods: only these.
        dataset: only this one's, or those of several.
        metrics: names; None for the default ones. Those that a run's data do not have are passed over.
        assignments: "key=value" of the sampler or a metric.
        tell: told of runs that are passed over, for a plugin of theirs is not there.

    Raises:
        FmbenchError: an unknown name, a key of training, or no trained run to measure.
    """
    tree = files.assigned(assignments)
    for key in tree:
        if key != "sampler":
            plugins.metrics.get(key)
    asked = settings(tree, plugins)
    wanted = None if metrics is None else [plugins.metrics.get(name) for name in metrics]
    if methods is not None:
        methods = [plugins.methods.get(name).name for name in methods]
    datasets = [dataset] if isinstance(dataset, str) else dataset
    planned = []
    for directory in find_runs(results, *(datasets or ())):
        record = directory.record()
        training = record.request
        trained = directory.training() is not None and any(directory.checkpoints.glob("*.pt"))
        if not trained or (methods is not None and training.method.name not in methods):
            continue
        lacking = resolution.absent(training, plugins)
        if lacking:
            kind, name = lacking[0]
            origin = directory.environment().get("train", {}).get("plugin", {}).get("origin", "an unknown plugin")
            tell(f"passed over {directory.path}: {kind} {name!r} is not there (it was trained with {origin})")
            continue
        data = plugins.datasets.get(training.dataset.name)
        names = None if wanted is None else [spec.name for spec in wanted if spec.measures(data)]
        if names == []:
            continue
        evaluation, plain = (
            resolution.resolve_evaluation(given, names, training.method, training.train, data, plugins)
            for given in (asked, Settings())
        )
        run = RunRequest(
            training=training,
            evaluation=evaluation,
            overrides=record.overrides,
            evaluation_overrides=resolution.evaluation_difference(evaluation, plain),
            family=record.family,
        )
        planned.append((run, directory))
    if not planned:
        raise FmbenchError(f"nothing to measure in {str(results)!r}: no trained run with its checkpoints matches")
    return planned


def rows_of(planned: Sequence[PlannedRun], results: Path) -> list[Row]:
    """The table's rows of what was asked for."""
    asked: dict[RunDirectory, list[Mapping[str, Scalar]]] = {}
    for run, directory in planned:
        asked.setdefault(directory, []).append(run.evaluation_overrides)

    def wanted(directory: RunDirectory, evaluation: Mapping[str, Scalar]) -> bool:
        # A run that failed before any number was measured stands under no evaluation.
        return directory in asked and (evaluation in asked[directory] or not directory.metrics())

    return tables.build(results, wanted=wanted)
