from __future__ import annotations

import re
import time

import numpy as np
import pytest
from rich.console import Console

from fmbench import commands
from fmbench.api import Metric, MetricSpec, MetricValue
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store import pictures
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

ARRAYS = {"points": np.arange(6, dtype=np.float16).reshape(3, 2), "levels": np.array([[0, 255]], dtype=np.uint8)}


class Sketch(Metric):
    """A stranger's metric that leaves arrays, or what cannot be one."""

    content = np.arange(4)

    def measure(self, evaluation):
        assert not list(self.folder.glob("*")), "the numbers come after their picture"
        evaluation.keep(line=self.content)
        return [MetricValue("strokes", 4.0)]


def test_the_same_arrays_give_the_same_bytes_whenever(tmp_path, monkeypatch):
    pictures.write(tmp_path / "a.npz", ARRAYS)
    later = time.localtime(2_000_000_000)
    monkeypatch.setattr(time, "localtime", lambda *_: later)
    pictures.write(tmp_path / "b.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = pictures.read(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda _: b"", lambda _: b"no archive"])
def test_a_damaged_file_is_one_line(tmp_path, damage):
    path = tmp_path / "a.npz"
    pictures.write(path, ARRAYS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FmbenchError, match=r"a.npz is damaged: remove it"):
        pictures.read(path)


@pytest.fixture
def sketch(tmp_path):
    plugins = load_plugins(environ={})
    plugins.register(MetricSpec("sketch", f"{__name__}:Sketch", default=False))
    (run,) = tiny_plan(methods=["gaussian"], metrics=["nfe"], plugins=plugins)
    carry_out([run], tmp_path, plugins)
    directory = RunDirectory.of(tmp_path, run)
    Sketch.folder = directory.pictures

    def measure(*assignments):
        cells = commands.plan_evaluation(plugins, results=tmp_path, metrics=["sketch"], assignments=assignments)
        execution, monitor = Execution("cpu"), GridMonitor(Console(quiet=True))
        return directory, commands.carry_out(cells, plugins, results=tmp_path, execution=execution, monitor=monitor)

    return measure


def test_what_a_metric_keeps_goes_into_the_runs_directory(sketch):
    directory, outcome = sketch("sampler.samples=77")
    assert outcome.complete
    (file,) = directory.pictures.iterdir()
    assert re.fullmatch(r"sketch-samples=77-[0-9a-f]{6}\.npz", file.name)
    np.testing.assert_array_equal(pictures.read(file)["line"], np.arange(4))


def test_the_default_evaluation_has_the_metrics_name(sketch):
    directory, _ = sketch()
    assert [file.name for file in directory.pictures.iterdir()] == ["sketch.npz"]


def test_what_holds_no_numbers_is_the_cells_reason(sketch, monkeypatch):
    monkeypatch.setattr(Sketch, "content", np.array([object()]))
    directory, outcome = sketch()
    assert not outcome.complete
    assert outcome.rows[0].reasons == ("sketch: cannot keep 'line': it holds something else than numbers",)
    assert not directory.pictures.exists()
