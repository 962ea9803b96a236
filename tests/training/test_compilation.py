"""Networks compiled while a method trains: the same losses, less time, and a compiler that fails costs nothing."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from fmbench.api import Method
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.report import notes, table
from fmbench.solvers.nfe import CountedNetwork
from fmbench.store.run import RunDirectory
from fmbench.training import compilation
from fmbench.training.devices import Team
from fmbench.training.session import TrainingSession
from tests.helpers import carry_out, numbers, tiny_plan

PLUGINS = load_plugins(environ={})
METHODS = [spec.name for spec in PLUGINS.methods if spec.family != "control"]
COMPILED = "train.compile=true"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch")  # that the compiler gives itself


def train(folder, method, *assignments):
    small = ("train.batch_size=32", "network.width=32", "train.steps=4")
    (run,) = tiny_plan(*small, *assignments, plugins=PLUGINS, methods=[method])
    session = TrainingSession(PLUGINS.datasets.get("digits").load()(), PLUGINS, Execution("cpu"), Silent())
    method = session.build(run.training)
    session.train(run.training, method, RunDirectory(folder))
    networks = [part.network for part in method.modules() if isinstance(part, CountedNetwork)]
    assert {network._compiled_call_impl for network in networks} == {None}  # samples are drawn by the plain networks
    return RunDirectory(folder)


@pytest.fixture(autouse=True)
def fresh_compiler(monkeypatch, tmp_path):
    """Nothing that another test compiled."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_the_same_through_a_traced_network(tmp_path, monkeypatch, method):
    """The backend "eager" runs torch's own operations in the order in which they were traced."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    plain = train(tmp_path / "plain", method).training()
    traced = train(tmp_path / "traced", method, COMPILED).training()
    assert traced.final_loss == pytest.approx(plain.final_loss, rel=1e-6, abs=1e-6)
    assert traced.flops == plain.flops
    assert traced.compile_seconds > 0
    assert not traced.uncompiled
    assert (plain.compile_seconds or plain.uncompiled) is plain.uncompiled  # nothing of it is said of the plain one


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs a C++ compiler")
def test_what_is_compiled_repeats_to_the_bit_and_rounds_otherwise(tmp_path):
    runs = tiny_plan(COMPILED, "network.width=32", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe", "fid"])
    carry_out(runs, tmp_path / "first", PLUGINS)
    carry_out(runs, tmp_path / "second", PLUGINS)
    assert numbers(tmp_path / "first", runs[0]) == numbers(tmp_path / "second", runs[0])
    summary = RunDirectory.of(tmp_path / "first", runs[0]).training()
    assert not summary.uncompiled
    assert summary.compile_seconds > summary.seconds  # of five steps: the clock of the steps stood still
    (row,) = table.build(tmp_path / "first")
    assert notes.training_line(row).endswith("; compiled.")


def test_a_compiler_that_fails_costs_nothing(tmp_path, monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no such\ncompiler")

    monkeypatch.setattr(compilation, "BACKEND", broken)
    (run,) = tiny_plan(COMPILED, plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    (plain,) = tiny_plan(plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    session = TrainingSession(PLUGINS.datasets.get("digits").load()(), PLUGINS, Execution("cpu"), Silent())
    places = [RunDirectory(tmp_path / "asked"), RunDirectory(tmp_path / "plain")]
    for asked, place in zip((run, plain), places, strict=True):
        session.train(asked.training, session.build(asked.training), place)
    summary, expected = (place.training() for place in places)
    assert summary.uncompiled.startswith("BackendCompilerFailed: ")
    assert "no such compiler" in summary.uncompiled
    assert summary.final_loss == expected.final_loss
    assert "no such\ncompiler" in places[0].log.read_text()


def test_what_double_backward_forbids_is_said_and_stands_under_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    (run,) = tiny_plan(
        COMPILED, "network.width=16", "train.steps=1", plugins=PLUGINS, methods=["anode"], metrics=["nfe"]
    )
    place = RunDirectory.of(tmp_path, run)
    place.create(run)
    session = TrainingSession(PLUGINS.datasets.get("digits").load()(), PLUGINS, Execution("cpu"), Silent())
    session.train(run.training, session.build(run.training), place)
    assert "does not currently support double backward" in place.training().uncompiled
    (row,) = table.build(tmp_path)
    assert "; uncompiled (RuntimeError: torch.compile with aot_autograd" in notes.training_line(row)


def test_a_batch_that_does_not_fit_is_no_fault_of_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    network = CountedNetwork(nn.Linear(2, 2))

    def rehearse():
        network(torch.ones(1, 2))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with (
        pytest.raises(torch.OutOfMemoryError),
        compilation.compiled(network, rehearse, Team(1), tmp_path / "log.txt"),
    ):
        pass
    assert network.network._compiled_call_impl is None
    assert not (tmp_path / "log.txt").exists()


def test_each_of_many_networks_is_compiled(tmp_path, monkeypatch):
    """Torch stops without a word after eight forms of one piece of code, and all modules share the piece."""
    graphs = []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(compilation, "BACKEND", counting)
    networks = nn.ModuleList(CountedNetwork(nn.Linear(width, 2)) for width in range(2, 14))

    def rehearse():
        for network in networks:
            network(torch.ones(3, network.network.in_features)).sum().backward()

    with compilation.compiled(networks, rehearse, Team(1), tmp_path / "log.txt") as found:
        rehearse()
    assert not found.refused
    assert len(graphs) == len(networks)


def test_a_method_without_a_counted_network_runs_as_ever(tmp_path):
    class Free(Method):
        def loss(self, batch):
            return batch.x.mean()

        def sample(self, n, settings, generator):
            return torch.zeros(n, 2)

    with compilation.compiled(Free(None), lambda: None, Team(1), tmp_path / "log.txt") as found:
        assert found == compilation.Compilation(0.0, "Free has no network that it counts")


def test_it_is_part_of_what_a_run_is_and_uncompiled_is_not_said():
    plain, said, compiled = (
        tiny_plan(*given, plugins=PLUGINS, methods=["fm-ot"])[0]
        for given in ((), ("train.compile=false",), (COMPILED,))
    )
    assert plain.training.id == said.training.id != compiled.training.id
    assert "compile" not in plain.training.model_dump_json()
    assert compiled.overrides == {**plain.overrides, "train.compile": True}
    assert type(compiled).model_validate_json(compiled.model_dump_json()) == compiled
