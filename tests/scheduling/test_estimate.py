from __future__ import annotations

from pathlib import Path

import pytest

from fmbench.scheduling.estimate import TimeLeft, describe, time_left
from fmbench.store import files
from fmbench.store.records import MetricRecord, TrainingSummary
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan


def cells(root, runs):
    return [(run, RunDirectory.of(root, run)) for run in runs]


def took(root, run, train=None, **metrics):
    """A run whose training and metrics took so many seconds."""
    directory = RunDirectory.of(root, run)
    directory.create(run)
    if train is not None:
        summary = {"params": 1, "images": 1, "images_per_second": 1, "peak_memory_bytes": 1, "final_loss": 1}
        directory.set_training(TrainingSummary(seconds=train, **summary))
    directory.add_metrics(
        MetricRecord(
            metric=metric,
            name=name,
            value=1,
            seconds=seconds,
            protocol=run.evaluation.protocol(metric),
            evaluation=run.evaluation_overrides,
        )
        for metric, seconds in metrics.items()
        for name in (metric, f"{metric}-floor")  # a metric's numbers share its seconds
    )
    return directory


def plan(*assignments, methods=("fm-ot",), metrics=("nll", "fid"), **said):
    return tiny_plan(*assignments, methods=list(methods), metrics=list(metrics), **said)


def seconds(root, runs):
    return [one if one is None else pytest.approx(one.seconds) for one in time_left(cells(root, runs), root)]


def test_an_empty_store_tells_nothing(tmp_path):
    assert time_left(cells(tmp_path, plan()), tmp_path) == [None]
    assert list(tmp_path.iterdir()) == []


def test_the_median_of_the_methods_runs_by_its_steps(tmp_path):
    past = plan(seeds=[0, 1, 2])
    for run, train in zip(past, (6.0, 12.0, 600.0), strict=True):
        took(tmp_path, run, train, nll=10.0, fid=20.0)
    (guess,) = time_left(cells(tmp_path, plan("train.steps=60", seeds=[7])), tmp_path)
    assert guess.seconds == pytest.approx(120 + 30)
    assert guess.runs == {RunDirectory.of(tmp_path, run).path for run in past}


def test_of_one_configuration_a_few_seeds_are_enough(tmp_path):
    for run in plan(seeds=[*range(9)]):
        took(tmp_path, run, 6.0, nll=10.0, fid=20.0)
    (guess,) = time_left(cells(tmp_path, plan(seeds=[20])), tmp_path)
    assert len(guess.runs) == 3


def test_the_same_network_and_batch_size_tell_better_than_others_and_others_by_their_images(tmp_path):
    took(tmp_path, plan(metrics=())[0], 6.0)
    took(tmp_path, plan("network.width=16", metrics=())[0], 60.0)
    assert seconds(tmp_path, plan(metrics=(), seeds=[1])) == [6.0]
    assert seconds(tmp_path, plan("network.width=16", metrics=(), seeds=[1])) == [60.0]
    assert seconds(tmp_path, plan("train.batch_size=32", metrics=())) == [66.0]


def test_another_method_tells_where_the_own_has_no_run_and_another_dataset_never(tmp_path):
    took(tmp_path, plan(methods=["ddpm"])[0], 6.0, nll=10.0, fid=20.0)
    took(tmp_path, plan("network.width=16", methods=["vp-sde"])[0], 600.0)
    assert seconds(tmp_path, plan()) == [36.0]
    assert seconds(tmp_path, plan("network.width=24", metrics=())) == [303.0]  # neither has this network: both tell
    assert seconds(tmp_path, plan(dataset="moons", metrics=["nll"])) == [None]


def test_a_metric_that_was_never_measured_makes_the_cell_unknown(tmp_path):
    took(tmp_path, plan()[0], 6.0, nll=10.0)
    assert seconds(tmp_path, plan(seeds=[1])) == [None]
    assert seconds(tmp_path, plan(seeds=[1], metrics=["nll"])) == [16.0]


def test_what_is_done_is_not_counted_again(tmp_path):
    run, other = plan(seeds=[0, 1])
    took(tmp_path, run, 6.0, nll=10.0, fid=20.0)
    took(tmp_path, other, 6.0, nll=10.0)
    assert seconds(tmp_path, [run, other]) == [0.0, 20.0]


def test_samples_count_by_their_number_and_steps(tmp_path):
    took(tmp_path, plan("sampler.name=heun", "sampler.steps=10", metrics=["fid"])[0], 6.0, fid=20.0)
    more = plan("sampler.name=heun", "sampler.steps=5", "sampler.samples=512", "sampler.draws=3", metrics=["fid"])
    assert seconds(tmp_path, more) == [120.0]
    assert seconds(tmp_path, plan("sampler.samples=256", metrics=["fid"])) == [40.0]


def test_cells_of_one_run_train_once_and_share_what_no_sampler_changes(tmp_path):
    took(tmp_path, plan()[0], 6.0, nll=10.0, fid=20.0)
    runs = plan("sampler.name=heun", sweep=["sampler.steps=5,10"], seeds=[1])
    assert seconds(tmp_path, runs) == [36.0, 20.0]


def test_a_run_in_the_middle_goes_by_its_own_log(tmp_path):
    took(tmp_path, plan(metrics=())[0], 6.0)
    (run,) = plan("train.steps=100", metrics=(), seeds=[1])
    directory = took(tmp_path, run)
    files.append_lines(directory.train_log, [{"step": 10, "seconds": 50.0}])
    assert seconds(tmp_path, [run]) == [90.0]
    files.append_lines(directory.train_log, [{"step": 30, "seconds": 60.0}])
    assert seconds(tmp_path, [run]) == [35.0]


def test_a_damaged_run_tells_nothing_and_stops_nothing(tmp_path):
    took(tmp_path, plan()[0], 6.0, nll=10.0, fid=20.0)
    torn = took(tmp_path, plan("network.width=16")[0], 6.0)
    (torn.path / "run.json").write_text("{")
    newer = took(tmp_path, plan("network.width=24")[0], 6.0)
    (newer.path / "metrics.jsonl").write_text('{"schema": 99}\n')
    assert seconds(tmp_path, plan(seeds=[1])) == [36.0]


def paths(names):
    return frozenset(map(Path, names))


@pytest.mark.parametrize(
    ("estimates", "text"),
    [
        ([None, None], "no finished runs to estimate from: `fmbench bench` measures this machine"),
        ([None, TimeLeft()], "no finished runs to estimate from: `fmbench bench` measures this machine"),
        ([TimeLeft()], "nothing is left to do"),
        ([TimeLeft(60, paths("a"))], "about 1 min on one slot, from 1 finished run"),
        ([TimeLeft(11_940, paths("ab")), TimeLeft(60, paths("bc"))], "3 h 20 min on one slot, from 3 finished"),
        ([TimeLeft(60.0)], "about 1 min on one slot"),
        ([TimeLeft(60.0), None], "about 1 min on one slot; beside them 1 of unknown length"),
    ],
)
def test_a_grid_in_words(estimates, text):
    assert text in describe(estimates)
