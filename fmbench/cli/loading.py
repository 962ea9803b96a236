"""Plugins as a command finds them, with what is wrong with them said on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fmbench.registry.plugins import Plugins


def told_plugins(files: Sequence[Path] | None) -> Plugins:
    """All plugins; a line for each that is broken, and for what others did to the process while they were loaded.

    Raises:
        FmbenchError: a file does not exist.
    """
    from fmbench.registry.discovery import load_plugins  # here, so that --help does not wait for pluggy

    plugins = load_plugins(files or [])
    for broken in plugins.broken:
        where = f"plugin {broken.name!r} ({broken.distribution})"
        typer.echo(f"warning: {where} is broken at {broken.stage}: {broken.error}", err=True)
    for note in plugins.notes:
        typer.echo(f"warning: {note}", err=True)
    return plugins
