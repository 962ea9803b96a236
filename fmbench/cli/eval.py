"""fmbench eval: more numbers of what is trained already."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import DEFAULT_RESULTS, Datasets, Device, Metrics, Offline, Plugin, ResultsDir, Set, chosen
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


def command(
    metrics: Metrics = None,
    methods: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    dataset: Datasets = None,
    set_: Set = None,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    renew: Annotated[bool, typer.Option("--renew", help="Measure again what is there already.")] = False,
    allow_stale: AllowStale = False,
    plugin: Plugin = None,
    _offline: Offline = False,
    device: Device = "auto",
    jobs: Jobs = 1,
    gpus: Gpus = None,
    per_gpu: PerGpu = 1,
    timeout: Timeout = None,
    retry: Retry = None,
    engine: EngineName = "local",
    engine_option: EngineOption = None,
) -> None:
    """Measure trained runs from their checkpoints, without training; numbers that are there already are kept.

    Weights that other code, or other data, has trained than there is now are refused: see `fmbench verify`.

    Keys of --set: sampler.* and those of metrics, as nll.draws=20.
    """
    # Here, so that --help does not wait for pydantic and YAML.
    from fmbench import commands
    from fmbench.execution import Execution

    console = Console(stderr=True, highlight=False)
    files = plugin or []
    plugins = told_plugins(files)
    planned = commands.plan_evaluation(
        plugins,
        results=results_dir,
        methods=chosen(methods),
        dataset=chosen(dataset),
        metrics=chosen(metrics),
        assignments=set_ or [],
        tell=lambda line: console.print(f"warning: {line}", markup=False, soft_wrap=True),
    )
    execution = Execution(
        device,
        renew=renew,
        retry=tuple(states(retry)),
        allow_stale=allow_stale,
        plugins=tuple(map(str, files)),
    )
    place = Place(engine, jobs, gpus, per_gpu, timeout, engine_option or [])
    carry_out(planned, plugins, place, execution, results_dir, console)
