"""The first steps of stored runs, trained again with the code of now."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from fmbench import commands
from fmbench.cli import app
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.run.agreement import apart, compare
from fmbench.run.verification import Verification
from fmbench.store.files import read_lines
from fmbench.store.run import find_runs
from fmbench.store.staleness import changes
from fmbench.training import checkpoints
from tests.helpers import TINY, carry_out, tiny_plan

PLUGIN = """
from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths

class Mine(GaussianPathMethod):
    path = paths.Linear()

    def loss(self, batch):
        return super().loss(batch)

@hookimpl
def fmbench_methods():
    return [MethodSpec("mine", f"{__name__}:Mine")]
"""


class Store:
    """Runs of a stranger's method, whose file can be edited."""

    def __init__(self, folder, monkeypatch):
        self.file, self.root = folder / "mine.py", folder / "results"
        monkeypatch.setenv("FMBENCH_PLUGINS", str(self.file))
        self.file.write_text(PLUGIN)

    def train(self, *assignments, methods=("mine",), **said):
        plugins = load_plugins()
        runs = tiny_plan(*assignments, plugins=plugins, methods=list(methods), metrics=["nfe"], **said)
        assert carry_out(runs, self.root, plugins).complete
        return list(find_runs(self.root))

    def edit(self, new, old="return super().loss(batch)"):
        self.file.write_text(PLUGIN.replace(old, new))

    def verify(self, directory, steps=100, **said):
        return Verification(load_plugins(), steps, **said).verify(directory, Silent())

    def changes(self, directory):
        return changes(directory, load_plugins().code)


@pytest.fixture
def store(tmp_path, monkeypatch):
    return Store(tmp_path, monkeypatch)


def without(directory, *keys):
    """As a run that does not know these of its training."""
    known = directory.environment()["train"]
    directory.set_environment("train", {key: known[key] for key in known.keys() - set(keys)})


class TestSteps:
    def test_a_fresh_run_agrees_to_the_bit_and_nothing_but_the_fact_is_left(self, store):
        (run,) = store.train()
        before = {path.relative_to(run.path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        verdict = store.verify(run)
        assert (verdict.outcome, verdict.text, verdict.difference) == ("agrees", "agrees to the bit over 6 steps", 0)
        after = {path.relative_to(run.path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        assert {str(path) for path in after if after[path] != before.get(path)} == {"env.json"}
        verified = run.environment()["verified"]
        assert verified["code"] == run.environment()["train"]["code"]
        assert verified["data"] == run.environment()["train"]["data"]

    def test_code_that_changes_no_loss_is_not_stale_once_verified(self, store):
        (run,) = store.train()
        store.edit("return 1.0 * super().loss(batch)")
        assert store.changes(run) == ["code of method mine"]
        assert store.verify(run).outcome == "agrees"
        assert store.changes(run) == []
        assert store.verify(run).text == "was verified with this code already"
        assert store.verify(run, renew=True).outcome == "agrees"
        store.edit("return 3.0 * super().loss(batch)")
        assert store.changes(run) == ["code of method mine"]  # verified with other code than this

    def test_another_loss_differs_and_makes_it_stale(self, store):
        (run,) = store.train()
        store.edit("return 1.001 * super().loss(batch)")
        verdict = store.verify(run)
        (line,) = read_lines(run.train_log)
        assert verdict.outcome == "differs"
        assert f"loss at step 6 was {line['loss']!r} and is " in verdict.text
        assert "--rerun stale" in verdict.text
        assert store.changes(run) == ["losses of its first steps"]
        store.edit("return super().loss(batch)")
        assert store.changes(run) == []  # the code that trained it is there again

    def test_a_difference_of_the_last_bits_is_one_only_on_the_same_kind_of_processor(self, store):
        (run,) = store.train()
        store.edit("return (1 + 1e-6) * super().loss(batch)")
        assert store.verify(run).outcome == "differs"
        without(run, "processor")
        verdict = store.verify(run)
        assert verdict.outcome == "agrees"
        assert 1e-8 < verdict.difference < 1e-4

    def test_only_the_first_steps_are_taken_as_they_were_in_the_whole_budget(self, store):
        """At least to the first line; those of the whole training have the rates of the whole training."""
        (run,) = store.train("train.steps=120")
        assert [line["step"] for line in read_lines(run.train_log)] == [50, 100, 120]
        for asked, taken in [(1, 50), (99, 50), (100, 100), (119, 100), (1000, 120)]:
            verdict = store.verify(run, steps=asked, renew=True)
            assert verdict.text == f"agrees to the bit over {taken} steps"
            assert run.environment()["verified"]["steps"] == taken

    def test_losses_that_last_bits_decide_say_nothing_on_another_kind_of_processor(self, store):
        """Where a rounding grows by a tenth a step, the lines before it shows are compared."""
        store.edit(
            "if batch.step == 0: self.x = 10 * next(self.parameters()).abs().mean().item()\n"
            "        self.x = 1.1 * self.x % 1\n"
            "        return super().loss(batch) + self.x"
        )
        (run,) = store.train("train.steps=120")
        known = run.environment()["train"]
        first, second, third = (json.loads(line) for line in run.train_log.read_text().splitlines())
        for line, factor, outcome in [(second, 1.01, "agrees"), (first, 1.001, "differs")]:
            line["loss"] *= factor
            run.train_log.write_text("".join(f"{json.dumps(each)}\n" for each in (first, second, third)))
            run.set_environment("train", known)
            assert store.verify(run, renew=True).outcome == "differs"
            without(run, "processor")
            verdict = store.verify(run, renew=True)
            assert verdict.outcome == outcome
            assert run.environment()["verified"]["steps"] == 50
            assert "from step 100 on last bits decide" in verdict.text

    def test_other_data_differ(self, store):
        (run,) = store.train()
        known = run.environment()["train"]
        run.set_environment("train", {**known, "data": "0" * 64})
        assert "the data of digits are others" in store.verify(run).text
        assert store.changes(run) == ["data of digits"]

    def test_code_that_fails_is_told_and_not_written_down(self, store):
        (run,) = store.train()
        store.edit("raise RuntimeError('oh')")
        verdict = store.verify(run)
        assert (verdict.outcome, verdict.text) == ("failed", "cannot be trained again: RuntimeError: oh")
        assert "verified" not in run.environment()

    def test_the_number_of_threads_is_that_of_the_run(self, store):
        (run,) = store.train()
        before = torch.get_num_threads()
        without(run, "threads")
        known = run.environment()["train"]
        run.set_environment("train", {**known, "threads": before + 1})
        store.edit(f"import torch; assert torch.get_num_threads() == {before + 1}; return super().loss(batch)")
        assert store.verify(run).outcome == "agrees"
        assert torch.get_num_threads() == before


class TestWhatHasNoSteps:
    def test_a_fitted_method_is_fitted_again(self, store):
        (run,) = store.train(methods=["gaussian"])
        assert store.verify(run).text == "agrees to the bit, fitted again"
        kept = checkpoints.load(run.checkpoints, "cpu")
        kept["method"]["means"] += 0.1
        checkpoints.save(run.checkpoints, 0, {key: value for key, value in kept.items() if key != "step"})
        assert store.verify(run, renew=True).outcome == "differs"
        assert store.changes(run) == ["losses of its first steps"]

    def test_without_a_log_another_seed_vouches_for_it_if_the_same_code_trained_both(self, store):
        first, second = store.train(seeds=[0, 1])
        second.train_log.unlink()
        for path in second.checkpoints.iterdir():
            path.unlink()
        assert "nothing to compare" in store.verify(second).text
        store.verify(first)
        known = second.environment()["train"]
        second.set_environment("train", {**known, "code": {**known["code"], "network mlp": "0" * 16}})
        assert "nothing to compare" in store.verify(second).text
        second.set_environment("train", known)
        assert store.verify(second).outcome == "agrees"
        assert second.environment()["verified"]["by"] == "seed-0"
        for run in (first, second):  # of old, which know the file of their method alone
            without(run, "code")
        assert store.verify(second, renew=True).outcome == "agrees"

    def test_a_teacher_is_trained_again_only_on_request(self, store):
        (run,) = store.train(methods=["reflow-2"])
        assert "--teachers" in store.verify(run).text
        assert store.verify(run, teachers=True).outcome == "agrees"

    @pytest.mark.parametrize(
        ("known", "text"),
        [({"device": "cuda"}, "a GPU trained it"), ({"devices": 2}, "2 devices"), (None, "nobody has begun it")],
    )
    def test_what_cannot_be_repeated_here_is_passed_over(self, store, monkeypatch, known, text):
        (run,) = store.train()
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        run.set_environment("train", {**run.environment()["train"], **known} if known else {})
        verdict = store.verify(run)
        assert verdict.outcome == "skipped"
        assert text in verdict.text

    def test_a_budget_in_seconds_follows_the_clock(self, store):
        plugins, said = load_plugins(), [text for text in TINY if "train.steps" not in text]
        asked = commands.plan(plugins, methods=["mine"], metrics=["nfe"], assignments=[*said, "budget.seconds=0.2"])
        carry_out(list(asked), store.root, plugins)
        (run,) = find_runs(store.root)
        assert "the clock" in store.verify(run).text

    def test_a_method_that_no_plugin_offers(self, store, monkeypatch):
        (run,) = store.train()
        monkeypatch.delenv("FMBENCH_PLUGINS")
        assert store.verify(run).text == "no plugin here offers mine: give --plugin"


@pytest.mark.parametrize(
    ("now", "outcome"),
    [({"loss": 2.0}, "agrees"), ({"loss": 2.0001}, "agrees"), ({"loss": 2.001}, "differs"), ({}, "differs")],
)
def test_losses_are_compared_relatively(now, outcome):
    verdict = compare({50: {"loss": 2.0}}, {50: now}, 1e-4)
    assert verdict.outcome == outcome
    json.dumps(verdict.difference, allow_nan=False)


def test_tensors_are_compared_by_their_largest_value():
    assert apart(torch.tensor([1.0, 100.0]), torch.tensor([2.0, 100.0])) == pytest.approx(0.01)
    assert apart(torch.zeros(3), torch.zeros(2)) == float("inf")


def test_on_the_command_line(store):
    def call(*words):
        return CliRunner().invoke(app, ["verify", "--results-dir", str(store.root), *words])

    assert "nothing to verify in" in str(call().exception)
    store.train(seeds=[0, 1])
    done = call("--steps", "6")
    assert done.exit_code == 0
    assert "[1/2] mine on digits, seed 0 (steps=6" in done.stdout
    assert done.stdout.endswith("2 agree (2 of 2 to the bit, the worst to 0.0e+00)\n")
    store.edit("return 2 * super().loss(batch)")
    done = call("--methods", "mine", "--dataset", "digits")
    assert done.exit_code == 1
    assert done.stdout.endswith("2 differ\n")
    assert "nothing to verify" in str(call("--methods", "ddpm").exception)
