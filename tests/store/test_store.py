from __future__ import annotations

import json

import pytest
from msgspec import structs

from fmbench.errors import FmbenchError
from fmbench.report.table import build
from fmbench.store import files
from fmbench.store.coverage import complete, missing
from fmbench.store.records import MetricRecord, StatusRecord
from fmbench.store.run import RunDirectory, find_runs
from tests.helpers import tiny_plan


@pytest.fixture
def run():
    return tiny_plan(methods=["fm-ot"])[0]


@pytest.fixture
def directory(run, tmp_path):
    directory = RunDirectory.of(tmp_path, run)
    directory.create(run)
    return directory


def number(run, name="nfe", value=1.0, **more):
    fields = {
        "metric": name,
        "name": name,
        "value": value,
        "protocol": run.evaluation.protocol(name),
        "evaluation": run.evaluation_overrides,
    }
    return MetricRecord(**{**fields, **more})


class TestFiles:
    def test_a_failed_write_leaves_the_old_file_and_no_litter(self, tmp_path):
        path = tmp_path / "a.json"
        files.write_json(path, {"x": 1})

        def fail(stream):
            stream.write(b"half")
            raise OSError(28, "No space left on device")

        with pytest.raises(FmbenchError, match="No space left on device"):
            files.write_atomically(path, fail)
        assert files.read_json(path) == {"x": 1}
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]

    def test_a_torn_last_line_is_skipped_and_spoils_none_after_it(self, tmp_path):
        path = tmp_path / "a.jsonl"
        files.append_lines(path, [{"x": 1}, {"x": 2}])
        path.write_bytes(path.read_bytes()[:-4])
        assert list(files.read_lines(path)) == [{"x": 1}]
        files.append_lines(path, [{"x": 3}])
        assert list(files.read_lines(path)) == [{"x": 1}, {"x": 3}]

    def test_nan_never_reaches_json(self, tmp_path):
        with pytest.raises(ValueError, match="JSON"):
            files.write_json(tmp_path / "a.json", float("nan"))


class TestRunDirectory:
    def test_the_layout(self, run, tmp_path):
        path = RunDirectory.of(tmp_path, run).path.relative_to(tmp_path)
        dataset, method, config, seed = path.parts
        assert (dataset, method, seed) == ("digits", "fm-ot", "seed-0")
        assert config.endswith(run.training.config_id)
        assert "steps=6" in config

    def test_what_was_asked_reads_back(self, run, directory):
        assert directory.request() == run.training
        assert directory.record().id == run.training.id
        assert directory.status().state == "queued"

    def test_the_later_of_two_numbers_counts(self, run, directory):
        directory.add_metrics([number(run, value=1.0), number(run, value=2.0)])
        assert [record.value for record in directory.metrics()] == [2.0]

    def test_a_later_measurement_replaces_all_of_the_earlier_one(self, run, directory):
        """Its failure too: the numbers of one measurement share when it began."""
        failed = number(run, "fid", value=None, reason="no weights", measured_at="1")
        floor = structs.replace(failed, name="fid-floor", value=1.0, reason="")
        directory.add_metrics([failed, floor])
        assert len(directory.metrics()) == 2
        directory.add_metrics([number(run, "fid", value=3.0, measured_at="2")])
        assert [(record.name, record.value) for record in directory.metrics()] == [("fid", 3.0)]

    def test_numbers_under_the_defaults_of_an_older_version_give_way(self, run, directory):
        old = number(run, "nll", value=2.0, measured_at="1", protocol={"draws": 9})
        other = number(run, "nll", value=3.0, measured_at="2", evaluation={"nll.draws": 20}, protocol={"draws": 20})
        directory.add_metrics([old, other, number(run, "nll", value=1.0, measured_at="3")])
        assert sorted(record.value for record in directory.metrics()) == [1.0, 3.0]

    def test_every_file_says_its_schema(self, run, directory):
        directory.add_metrics([number(run)])
        for name in ("run.json", "status.json"):
            assert files.read_json(directory.path / name)["schema"] == 1
        assert next(files.read_lines(directory.path / "metrics.jsonl"))["schema"] == 1

    def test_a_newer_schema_is_refused(self, directory):
        content = files.read_json(directory.path / "run.json")
        files.write_json(directory.path / "run.json", {**content, "schema": 2})
        with pytest.raises(FmbenchError, match="install a newer fmbench"):
            directory.request()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [("{", "is not JSON"), ("[]", "not a record"), ('{"schema": 1}', "damaged at 'id'")],
    )
    def test_a_damaged_record_names_its_file(self, directory, text, reason):
        (directory.path / "run.json").write_text(text)
        with pytest.raises(FmbenchError, match=reason) as caught:
            directory.request()
        assert "run.json" in str(caught.value)

    def test_foreign_files_are_passed_over(self, directory, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        (tmp_path / "digits" / "fm-ot" / "old").mkdir()
        (tmp_path / "digits" / "fm-ot" / "old" / "run.json").write_text("{}")
        assert list(find_runs(tmp_path)) == [directory]

    def test_a_read_only_store_is_one_line(self, run, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(FmbenchError, match="cannot write"):
            RunDirectory.of(tmp_path / "file", run).create(run)


class TestCells:
    def test_what_is_missing(self, run, directory):
        asked = list(run.evaluation.metrics)
        assert {"nll", "fid", "nfe"} <= set(asked)
        assert missing(run, directory) == asked
        directory.add_metrics([number(run)])
        assert missing(run, directory) == [name for name in asked if name != "nfe"]

    def test_another_protocol_does_not_count(self, run, directory):
        directory.add_metrics([number(run, "nll", protocol={**run.evaluation.protocol("nll"), "draws": 9})])
        assert "nll" in missing(run, directory)

    def test_an_unavailable_number_is_missing(self, run, directory):
        directory.add_metrics([number(run, value=None, reason="no weights")])
        assert "nfe" in missing(run, directory)

    def test_complete_needs_state_and_numbers(self, run, directory, tmp_path):
        assert not complete(run, directory)
        directory.add_metrics([number(run, name) for name in run.evaluation.metrics])
        assert not complete(run, directory)
        directory.set_status(StatusRecord(state="done"))
        assert complete(run, directory)
        assert not complete(tiny_plan("train.steps=7", methods=["fm-ot"])[0], RunDirectory(tmp_path / "absent"))


def test_an_empty_store_says_what_to_do(tmp_path):
    with pytest.raises(FmbenchError, match="run 'fmbench run' first"):
        build(tmp_path)
    with pytest.raises(FmbenchError, match="no results directory"):
        build(tmp_path / "absent")


def test_copying_two_stores_together_merges_them(tmp_path):
    import shutil

    a, b = tiny_plan()
    for root, run in ((tmp_path / "a", a), (tmp_path / "b", b)):
        RunDirectory.of(root, run).create(run)
    shutil.copytree(tmp_path / "b", tmp_path / "a", dirs_exist_ok=True)
    assert [row.label for row in build(tmp_path / "a")] == ["ddpm", "fm-ot"]
    assert json.loads(json.dumps([row.status for row in build(tmp_path / "a")])) == ["queued", "queued"]
