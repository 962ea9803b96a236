"""The next batch paired in a thread: the numbers of the sequential order, and errors at the batch that has them."""

from __future__ import annotations

import threading

import pytest
import torch

from fmbench.api import TwoSidedMethod, couplings
from fmbench.data.digits import digits
from fmbench.errors import FmbenchError, SolverError
from fmbench.execution import Execution
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints, loop
from fmbench.training.batches import Batches
from fmbench.training.devices import spare_core
from fmbench.training.session import TrainingSession
from tests.helpers import tiny_plan

PLUGINS = load_plugins(environ={})


def trained(folder, method, *assignments, execution=None):
    small = ("train.batch_size=64", "network.width=32", "train.steps=6", *assignments)
    (run,) = tiny_plan(*small, plugins=PLUGINS, methods=[method])
    session = TrainingSession(digits(), PLUGINS, execution or Execution("cpu"), Silent())
    session.train(run.training, session.build(run.training), RunDirectory(folder))
    return RunDirectory(folder)


@pytest.fixture
def threads(monkeypatch):
    """The threads in which pairs are found."""
    found = []
    couple = TwoSidedMethod.couple

    def noted(self, batch):
        found.append(threading.current_thread() is threading.main_thread())
        return couple(self, batch)

    monkeypatch.setattr(TwoSidedMethod, "couple", noted)
    monkeypatch.setattr(loop, "spare_core", lambda _: True)
    return found


@pytest.mark.parametrize("method", ["ot-cfm", "sb-cfm"])
@pytest.mark.parametrize("precision", ["float32", "bf16-mixed"])
def test_training_is_the_sequential_one_to_the_bit(tmp_path, monkeypatch, threads, method, precision):
    precision = f"train.precision={precision}"
    ahead = trained(tmp_path / "ahead", method, precision)
    assert set(threads) == {False}
    threads.clear()
    monkeypatch.setattr(loop, "spare_core", lambda _: False)
    alone = trained(tmp_path / "alone", method, precision)
    assert set(threads) == {True}
    assert ahead.training().final_loss == alone.training().final_loss
    assert ahead.training().flops == alone.training().flops
    first, second = (checkpoints.load(place.checkpoints, "cpu")["method"] for place in (ahead, alone))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_a_plan_serves_all_micro_batches(tmp_path, threads):
    whole = trained(tmp_path / "whole", "ot-cfm").training().final_loss
    once = len(threads)
    parts = trained(tmp_path / "parts", "ot-cfm", execution=Execution("cpu", micro_batches=4)).training().final_loss
    assert len(threads) == 2 * once
    assert parts == pytest.approx(whole, rel=1e-5)


def test_a_fault_of_a_later_batch_is_met_at_its_own_step():
    def pair(batch):
        if batch.generator.initial_seed() == seeds[2]:
            raise SolverError("no plan")
        return batch.x, batch.x

    plain = Batches(digits(), 100, 0, torch.device("cpu"))
    seeds = [plain[step].generator.initial_seed() for step in range(4)]
    batches = Batches(digits(), 100, 0, torch.device("cpu"), ahead=pair)
    for step in (0, 1):
        assert torch.equal(batches[step].x, plain[step].x)
    with pytest.raises(SolverError, match="no plan"):
        batches[2]
    assert torch.equal(batches[3].pairs[0], plain[3].x)
    assert torch.equal(batches[1].x, plain[1].x)  # also out of turn


class TestFlips:
    def drawn(self, companions=0, **said):
        batches = Batches(digits(), 400, 0, torch.device("cpu"), companions, **said)
        return [batches[step] for step in (0, 1)]

    def test_half_of_the_images_are_mirrored_left_to_right_and_nothing_else(self):
        plain, flipped = self.drawn(), self.drawn(flips=True)
        levels = digits().transform.decode
        for one, other in zip(plain, flipped, strict=True):
            same = (levels(one.x) == levels(other.x)).flatten(1).all(1)
            mirrored = (levels(one.x).flip(3) == levels(other.x)).flatten(1).all(1)
            assert (same | mirrored).all()
            assert (same & mirrored).float().mean() < 0.1  # few digits are their own mirror image
            assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.1)
            assert torch.equal(one.labels, other.labels)

    def test_companions_are_mirrored_too(self):
        plain, flipped = self.drawn(2)[0].companions, self.drawn(2, flips=True)[0].companions
        levels = digits().transform.decode
        same = (levels(plain) == levels(flipped)).flatten(1).all(1)
        assert 0.3 < float(same.float().mean()) < 0.7

    def test_training_reads_the_option_and_points_have_no_left(self, tmp_path):
        losses = [
            trained(tmp_path / said, "fm-ot", f"train.flips={said}").training().final_loss for said in ("true", "false")
        ]
        assert losses[0] != losses[1]
        with pytest.raises(FmbenchError, match=r"train\.flips = true: moons is vector data, which have no left"):
            tiny_plan("train.flips=true", methods=["fm-ot"], dataset="moons")

    def test_it_is_part_of_a_run_where_it_is_true_alone(self):
        plain, said, flipped = (
            tiny_plan(*more, methods=["fm-ot"])[0].training
            for more in ((), ("train.flips=false",), ("train.flips=true",))
        )
        assert plain.id == said.id != flipped.id
        assert "flips" not in plain.model_dump()["train"]


def test_only_what_says_so_is_solved_ahead():
    """A stranger's coupling may have a state, and a method that pairs in its own way may draw from anywhere."""

    class Counting(couplings.Coupling):
        def pair(self, x0, x1, generator):
            return x0, x1

    (run,) = tiny_plan(plugins=PLUGINS, methods=["fm-ot"])
    session = TrainingSession(digits(), PLUGINS, Execution("cpu"), Silent())
    method = session.build(run.training)
    assert method.ahead is None
    for coupling, ahead in ((Counting(), False), (couplings.MinibatchOT(), True), (couplings.Sinkhorn(1.0), True)):
        method.coupling = coupling
        assert (method.ahead is not None) is ahead

    class OwnWay(type(method)):
        def pairs(self, batch):
            return batch.x, batch.x

    method.__class__ = OwnWay
    assert method.ahead is None


def test_a_core_is_spare_beside_a_gpu_and_where_threads_are_fewer_than_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    for threads, spare in ((1, True), (2, False)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert spare_core("cpu") is spare
    assert spare_core("cuda")
