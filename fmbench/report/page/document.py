"""The page as HTML: one file that needs no network, and in which every name is text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fmbench.report.html import cell
from fmbench.report.page.model import DatasetView
from fmbench.report.page.runs import significant
from fmbench.report.sheet import Entry

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("core.js", "table.js", "plots.js", "traces.js", "canvas.js", "motion.js", "runs.js")
FIRST = 'document.documentElement.classList.add("scripted");'  # before anything is painted
# What would end a script element; in JSON they stand in strings alone.
DANGEROUS = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def saved(views: Sequence[DatasetView]) -> str:
    """The page as a file: it may reach nothing outside itself."""
    return written(views, scripts=[*SCRIPTS, "start.js"], connect="'none'", version="")


def served(views: Sequence[DatasetView], version: str) -> str:
    """The page as `fmbench serve` shows it: it asks its server how the runs stand, and whether there is news.

    Args:
        views: of the datasets; none while the store is empty.
        version: of the store that they were gathered from.
    """
    return written(views, scripts=[*SCRIPTS, "live.js", "start.js"], connect="'self'", version=version)


def written(views: Sequence[DatasetView], scripts: Sequence[str], connect: str, version: str) -> str:
    """The page, with scripts of the assets."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": marked, "sortable": sortable, "json": embedded, "base64": in_base64}
    script = "(() => {\n" + "".join(asset(name) for name in scripts) + "})();\n"
    licence, library = plotly()
    return environment.get_template("page.html.j2").render(
        views=views,
        policy=policy([FIRST, script, library], connect),
        style=asset("page.css"),
        first=FIRST,
        script=script,
        licence=licence,
        library=packed(library),
        version=version,
    )


def policy(scripts: Sequence[str], connect: str) -> str:
    """A content security policy under which only these scripts run, and nothing is fetched.

    Plotly styles what it draws, so styles are free.
    """
    hashes = " ".join(f"'sha256-{sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def sha256(text: str) -> str:
    """The digest of a script as a policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def asset(name: str) -> str:
    """A file of the page."""
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def plotly() -> tuple[str, str]:
    """Plotly's licence, which heads its file, and the file."""
    from importlib.resources import files  # the file alone: plotly's Python is slow to import, and not needed

    library = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    return library[: library.index("*/") + 2], library


@cache
def packed(text: str) -> str:
    """Text compressed, in base64: the page carries it to where it is needed, and unpacks it only there."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def in_base64(text: str) -> str:
    """Text for the address of a download."""
    return base64.b64encode(text.encode()).decode()


def embedded(value: Any) -> Any:
    """A value as JSON that may stand in a script element."""
    from markupsafe import Markup

    text = json.dumps(value, default=vars, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(DANGEROUS))  # nothing is left in it that could end the element


def marked(entry: Entry) -> Any:
    """A cell of the table, as every HTML table of fmbench has it."""
    from markupsafe import Markup

    return Markup(cell(entry))  # escaped by its maker


def sortable(value: float | str | None) -> str:
    """What a cell is sorted by; empty where there is nothing."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{significant(value):g}"
