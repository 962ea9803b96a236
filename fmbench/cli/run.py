"""fmbench run: train, evaluate, print the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import (
    DEFAULT_RESULTS,
    Datasets,
    Device,
    Metrics,
    Offline,
    Plugin,
    ResultsDir,
    Set,
    chosen,
)
from fmbench.cli.placing import (
    AllowStale,
    EngineName,
    EngineOption,
    Gpus,
    Jobs,
    PerGpu,
    Place,
    Retry,
    Timeout,
    carry_out,
    states,
)
from fmbench.errors import FmbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fmbench.registry.plugins import Plugins
    from fmbench.registry.specs import Scalar
    from fmbench.scheduling.dispatch import PlannedRun


def command(
    methods: Annotated[str | None, typer.Option(help="Comma-separated names; see `fmbench list methods`.")] = None,
    dataset: Datasets = None,
    task: Annotated[
        str | None, typer.Option(help="sr: draw each image beside its small version (super-resolution).")
    ] = None,
    config: Annotated[str | None, typer.Option(help="A YAML file, or the name of a shipped configuration.")] = None,
    set_: Set = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=A,B", help="Run each of several values, as train.lr=1e-3,2e-3; may be repeated."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N|LIST", help="How many training seeds (3), or which ones (0,1,2).")
    ] = None,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    metrics: Metrics = None,
    checkpoint_every: Annotated[
        str, typer.Option(metavar="TIME", help="Longest stretch of training that a crash may lose.")
    ] = "30s",
    snapshots: Annotated[int, typer.Option(min=0, help="Times to keep weights for metric learning-curve.")] = 0,
    log: Annotated[str | None, typer.Option(metavar="NAMES", help="Also log training to tensorboard or wandb.")] = None,
    plugin: Plugin = None,
    _offline: Offline = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs and how long they may take, and stop.")
    ] = False,
    device: Device = "auto",
    jobs: Jobs = 1,
    gpus: Gpus = None,
    per_gpu: PerGpu = 1,
    timeout: Timeout = None,
    retry: Retry = None,
    rerun: Annotated[
        str | None, typer.Option(metavar="stale", help="Train anew what other code, or other data, has trained.")
    ] = None,
    allow_stale: AllowStale = False,
    engine: EngineName = "local",
    engine_option: EngineOption = None,
) -> None:
    """Train and evaluate methods on the same data, network, budget and seeds, and print the table.

    Runs that are done are not repeated; interrupted ones go on where they
    stopped; failed ones wait for --retry.

    Keys of --set and --sweep: train.*, budget.*, network.*, sampler.*, nll.*,
    fid.*, options.METHOD.*; `fmbench info train` and so on list them.
    """
    # Here, so that --help does not wait for pydantic and YAML.
    from fmbench import commands
    from fmbench.durations import parse
    from fmbench.execution import Execution
    from fmbench.request.values import seeds_of

    console = Console(stderr=True, highlight=False)
    files = plugin or []
    plugins = told_plugins(files)
    if rerun not in (None, "stale"):
        raise FmbenchError(f"--rerun {rerun!r}: only stale runs can be asked for (--rerun stale)")
    runs = commands.plan(
        plugins,
        config=config,
        methods=chosen(methods),
        dataset=chosen(dataset),
        seeds=None if seeds is None else seeds_of(seeds, "--seeds"),
        metrics=chosen(metrics),
        assignments=set_ or [],
        sweep=sweep or [],
        task=task,
    )
    for note in runs.notes:
        console.print(note, markup=False, soft_wrap=True)
    planned = commands.locate(runs, results_dir)
    if dry_run:
        show_plan(planned, plugins, results_dir)
        return
    execution = Execution(
        device,
        parse(checkpoint_every, "--checkpoint-every"),
        snapshots,
        retry=tuple(states(retry)),
        rerun_stale=rerun is not None,
        allow_stale=allow_stale,
        plugins=tuple(map(str, files)),
        loggers=tuple(chosen(log) or ()),
    )
    place = Place(engine, jobs, gpus, per_gpu, timeout, engine_option or [])
    carry_out(planned, plugins, place, execution, results_dir, console)


def show_plan(planned: Sequence[PlannedRun], plugins: Plugins, results: Path) -> None:
    """The runs, how each stands, how long the rest may take, and where each lives."""
    from fmbench import durations
    from fmbench.scheduling.dispatch import verdict
    from fmbench.scheduling.estimate import describe, time_left
    from fmbench.store.staleness import changes

    estimates = time_left(planned, results)
    varied = varied_keys([run.evaluation_overrides for run, _ in planned])
    table = Table(box=None)
    for head in ("dataset", "method", "seed", *varied, "state", "estimate", "directory"):
        table.add_column(head, overflow="fold")
    for (run, directory), guess in zip(planned, estimates, strict=True):
        training, found = run.training, verdict(run, directory)
        state = found + (", stale" if changes(directory, plugins.code) else "")
        length = "" if found == "done" else "?" if guess is None else durations.show(guess.seconds)
        line = [training.dataset.name, training.method.name, str(training.seed)]
        line += [str(run.evaluation_overrides.get(key, "default")) for key in varied]
        table.add_row(*line, state, length, str(directory.path))
    console = Console(highlight=False)
    console.print(table)
    console.print(describe(estimates), soft_wrap=True)


def varied_keys(overrides: Sequence[Mapping[str, Scalar]]) -> list[str]:
    """The keys in which evaluations differ from each other, as when a sampler is swept: their directory is the same."""
    keys = dict.fromkeys(key for setting in overrides for key in setting)
    return [key for key in keys if len({setting.get(key, "default") for setting in overrides}) > 1]
