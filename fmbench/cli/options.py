"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_RESULTS = Path("results")
Plugin = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file with more methods, say; may be repeated.")
]
ResultsDir = Annotated[Path, typer.Option("--results-dir", help="Where runs are kept.")]
INTERRUPTED = 130  # as shells report a process ended by Ctrl-C
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Metrics = Annotated[str | None, typer.Option(help="Comma-separated names; see `fmbench list metrics`.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, as train.steps=2000; may be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Dataset = Annotated[str | None, typer.Option("--dataset", help="One of `fmbench list datasets`.")]
OneDataset = Annotated[
    str | None, typer.Option("--dataset", help="Whose runs to show; may be left out where there is only one.")
]
Datasets = Annotated[
    str | None, typer.Option("--dataset", help="One of `fmbench list datasets`, or several, comma-separated.")
]


def stay_offline(asked: bool) -> bool:  # noqa: FBT001 - as typer calls it
    """Say so in the environment, where all processes that this one starts read it."""
    if asked:
        from fmbench.execution import OFFLINE  # here, so that --help does not wait for msgspec

        os.environ[OFFLINE] = "1"
    return asked


Offline = Annotated[
    bool, typer.Option("--offline", callback=stay_offline, help="Fetch nothing, data and weights alike.")
]


def names(text: str) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def chosen(text: str | None) -> list[str] | None:
    """A comma-separated list that may not be given."""
    return None if text is None else names(text)
