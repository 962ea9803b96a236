"""Every format to the byte, and none of them for one kind of store alone."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from fmbench.report import render
from fmbench.report.table import build
from fmbench.store import files
from fmbench.store.records import MetricRecord, RunRecord, StatusRecord, TrainingSummary
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.golden import store
from tests.report.made_up import text

SPECIALS = r"a_b & c% $d$ {e} <b>f</b> \g ~h ^i #j |k| [l] *m* `n` \"o\" 'p' ↓ ± – † ‡"


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    root = tmp_path_factory.mktemp("golden")
    store.fill_store(root)
    return root


@pytest.mark.parametrize("form", store.FILES)
def test_tables_are_their_files_to_the_byte(golden, form):
    assert store.tables(golden)[form] == (store.HERE / store.FILES[form]).read_text(encoding="utf-8")


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
DOCUMENT = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"


def compiled(content, folder):
    """What pdflatex says of a table; it stops at the first error."""
    (folder / "table.tex").write_text(content, encoding="utf-8")
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "-jobname=out", DOCUMENT]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "out.log").read_text(encoding="latin-1")
    return done.returncode, [line for line in log.splitlines() if line.startswith("!") or "Missing character" in line]


@needs_tex
def test_latex_compiles(golden, tmp_path):
    assert compiled(store.tables(golden)["latex"], tmp_path) == (0, [])


@needs_tex
def test_latex_compiles_whatever_a_plugin_is_called(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    write(tmp_path / "results", run, "digits", SPECIALS.replace("/", ""), [], "failed", f"it said {SPECIALS}", SPECIALS)
    assert compiled(text(build(tmp_path / "results"), "latex"), tmp_path) == (0, [])


class Cells(html.parser.HTMLParser):
    """The tags of a document and what its table's cells say."""

    def __init__(self):
        super().__init__()
        self.tags, self.cells = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def parsed(content):
    parser = Cells()
    parser.feed(content)
    return parser


def test_html_shows_names_and_runs_none_of_them(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    name = "<script>alert(1)<"
    write(tmp_path, run, "digits", name, [], "failed", '"><img src=x onerror=alert(1)>', "</style><b>")
    page = parsed(text(build(tmp_path), "html"))
    assert f"{name} a" in page.cells  # with its footnote
    assert not page.tags & {"script", "img"}


def write(root, run, dataset, method, numbers, state, reason, family):
    """A run of a dataset and a method that no plugin has."""
    component = run.training.dataset.model_copy(update={"name": dataset})
    asked = run.training.model_copy(
        update={"dataset": component, "method": run.training.method.model_copy(update={"name": method})}
    )
    record = RunRecord(id=asked.id, config_id=asked.config_id, request=asked, family=family)
    directory = RunDirectory(root / dataset / method.replace("/", "") / asked.config_id / f"seed-{asked.seed}")
    said = [("run.json", record), ("status.json", StatusRecord(state=state, reason=reason))]
    if state == "done":
        cost = {"params": 9, "seconds": 1.5, "images": 10, "images_per_second": 1, "peak_memory_bytes": 1}
        said.append(("training.json", TrainingSummary(**cost, final_loss=None)))
    directory.path.mkdir(parents=True, exist_ok=True)
    for file, content in said:  # not synchronised, which would take most of the time
        (directory.path / file).write_text(json.dumps(content.dump()))
    (directory.path / "metrics.jsonl").write_bytes(files.lines(number.dump() for number in numbers))


words = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp"), exclude_characters="/"), min_size=1, max_size=12
)
names = words.filter(lambda word: not word.startswith(".") and word.strip() == word and word)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
NUMBERS = ("nll", "vlb", "fid", "fid-floor", "kid", "nfe", "w2", "nn-ratio", "of a plugin")


@st.composite
def records(draw):
    name = draw(st.sampled_from(NUMBERS))
    value = draw(st.none() | finite)
    return MetricRecord(
        metric=name.removesuffix("-floor"),
        name=name,
        value=value,
        error=draw(st.none() | st.floats(0, 10)),
        unit=draw(st.sampled_from(["bits/dim", "nats", ""])),
        family=draw(st.sampled_from(["exact", "pf-ode", "truncated", "digits-v1", ""])),
        n=draw(st.integers(0, 10**5)),
        protocol={"draws": draw(st.integers(1, 50)), "probes": 1},
        details=draw(st.sampled_from([{}, {"sets": [1.0, 2.0]}, {"warning": "few <b>samples</b>"}])),
        evaluation=draw(st.sampled_from([{}, {"sampler.name": "heun"}])),
        reason=draw(st.sampled_from(["n/a", "why\nnot | & $"])) if value is None else "",
        measured_at=draw(st.sampled_from(["2026-01-01", "2026-01-02"])),
    )


runs = st.tuples(
    st.sampled_from(["digits", "moons"]) | names,
    st.sampled_from(["fm-ot", "ddpm"]) | names,
    st.integers(0, 2),
    st.lists(records(), max_size=6),
    st.sampled_from(["done", "failed", "timeout", "running", "queued"]),
    words | st.just(""),
    st.sampled_from(["flow matching", "control", ""]) | words,
)
(TEMPLATE,) = tiny_plan(methods=["fm-ot"])


@settings(max_examples=40, deadline=None)
@given(st.lists(runs, min_size=1, max_size=6, unique_by=lambda run: run[:3]))
def test_any_store_of_valid_rows_renders_in_every_format(asked):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for dataset, method, seed, numbers, state, reason, family in asked:
            run = TEMPLATE.model_copy(update={"training": TEMPLATE.training.model_copy(update={"seed": seed})})
            write(root, run, dataset, method, numbers, state, reason, family)
        rows = build(root)
        written = {}
        for form in render.FORMATS:
            console = Console(width=100, file=io.StringIO())
            render.show(rows, form, console)
            written[form] = console.file.getvalue()
    assert [row["method"] for row in csv.DictReader(io.StringIO(written["csv"]))] == [row.label for row in rows]
    assert [row["method"] for row in json.loads(written["json"])] == [row.label for row in rows]
    lines = [line for line in written["md"].split("\n") if line.startswith("| ")]
    assert all(line.endswith(" |") for line in lines)
    assert written["latex"].count(r"\begin{tabular}") == len({row.request.dataset.name for row in rows})
    cells = "\n".join(parsed(written["html"]).cells)
    assert all(" ".join(row.label.split()) in cells for row in rows)
