"""fmbench data: what a dataset is, where it lies, and a picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import Offline, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

    from fmbench.data.base import Dataset
    from fmbench.registry.specs import DatasetSpec, Scalar

IMAGES, POINTS = 64, 2000  # of a split that are drawn
FEW = 20  # classes whose sizes are told one by one


def command(
    name: Annotated[str, typer.Argument(help="One of `fmbench list datasets`.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option, as data.images.path=photos; may be repeated."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="A .png, .svg or .pdf file; data-NAME.png if not given.")
    ] = None,
    plugin: Plugin = None,
    _offline: Offline = False,
) -> None:
    """Fetch and prepare a dataset, say what it is and where it lies, and draw some of each split."""
    # Here, so that --help does not wait for torch.
    from fmbench.report.figures.style import check_suffix, save

    if output is not None:
        check_suffix(output)  # before the work
    plugins = told_plugins(plugin)
    spec = plugins.datasets.get(name)
    options = options_of(spec, set_ or [])

    from fmbench.data import checks
    from fmbench.progress import progress_bar, watched_by
    from fmbench.report.figures.dataset import splits

    with progress_bar(Console(stderr=True), name) as progress, watched_by(progress):
        dataset = checks.load(spec, options)
    told = Table(box=None, show_header=False, pad_edge=False)
    for label, fact in facts(spec, dataset):
        told.add_row(Text(label), Text(fact))
    Console(highlight=False).print(told)
    path = output or Path(f"data-{name}.png")
    save(splits(name, *(shown(dataset, split) for split in (dataset.train, dataset.test))), path)
    typer.echo(f"wrote {path}")


def options_of(spec: DatasetSpec, assignments: list[str]) -> dict[str, Scalar]:
    """The options of a dataset, as `--set` gives them.

    Raises:
        FmbenchError: a key is none of the dataset's, a value is not accepted, or one lacks that must be given.
    """
    from fmbench.errors import FmbenchError
    from fmbench.request import files
    from fmbench.request.options import component, refuse_lacking, section

    prefix = f"data.{spec.name}"
    tree = files.of_dataset(files.assigned(assignments), spec.name)
    given = section(tree, "data")
    if set(tree) - {"data"} or set(given) - {spec.name}:
        raise FmbenchError(f"--set: this command takes {prefix}.KEY alone; `fmbench info {spec.name}` has its options")
    chosen = component(spec, section(given, spec.name), prefix)
    refuse_lacking(spec, chosen, prefix)
    return chosen.options


def shown(dataset: Dataset, split: Tensor) -> np.ndarray:
    """Some of a split, from all over it: images as they are, coordinates in the units of the models."""
    import torch

    most = IMAGES if dataset.discrete else POINTS
    points = split[torch.linspace(0, len(split) - 1, min(most, len(split))).long()]
    raw = points if dataset.discrete else dataset.transform.encode(points, torch.Generator())
    return raw.numpy()


def facts(spec: DatasetSpec, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Lines about a dataset."""
    from fmbench.data.base import Levels

    yield "dataset", spec.name
    yield "what", spec.summary
    yield "licence", spec.licence or "not stated"
    transform = dataset.transform
    levels = f", {transform.levels} levels" if isinstance(transform, Levels) else ""
    yield "point", f"{' x '.join(map(str, dataset.shape))}{levels}"
    for split in ("train", "test"):
        yield split, f"{len(getattr(dataset, split)):,} points"
    leaked = dataset.leaked()
    if leaked:
        yield "", f"{leaked:,} of the test points are training points too"
    if dataset.train_labels is not None:
        counts = dataset.train_labels.bincount(minlength=spec.classes).tolist()
        each = ", ".join(map(str, counts)) if len(counts) <= FEW else f"{min(counts)} to {max(counts)}"
        yield "classes", f"{len(counts)}; training points of each: {each}"
    if dataset.density is not None:
        yield "density", f"known; entropy {dataset.density.entropy:.4g} nats"
    yield "SHA-256", f"{dataset.digest()} (of the splits)"
    yield "where", dataset.where or "made anew each time"
