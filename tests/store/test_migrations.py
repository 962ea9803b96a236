from __future__ import annotations

from pathlib import Path

import pytest

from fmbench.errors import FmbenchError
from fmbench.report.render import csv_table
from fmbench.report.table import build
from fmbench.store import files, migrations
from fmbench.store.migrations import upgrade
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill, text

HERE = Path(__file__).parent


@pytest.fixture
def directory(tmp_path):
    (run,) = tiny_plan(methods=["fm-ot"])
    return fill(tmp_path, run, {"nfe": (100.0,)})


@pytest.mark.parametrize(("form", "suffix"), [(text, "md"), (csv_table, "csv")])
def test_a_store_of_each_schema_still_gives_its_tables(form, suffix):
    """Runs of two methods, one failed, as the version of that schema wrote them."""
    stores = sorted(path for path in HERE.glob("schema_*") if path.is_dir())
    assert [path.name for path in stores] == [f"schema_{number}" for number in range(1, migrations.SCHEMA + 1)]
    for store in stores:
        assert form(build(store)).encode() == store.with_suffix(f".{suffix}").read_bytes()


class TestUpgrade:
    @pytest.fixture
    def made_up(self, monkeypatch):
        """Version 2 calls a reason a note, version 3 adds the cause."""
        steps = {
            1: lambda record: {**{key: value for key, value in record.items() if key != "why"}, "note": record["why"]},
            2: lambda record: {**record, "cause": f"{record['note']}!"},
        }
        monkeypatch.setattr(migrations, "UPGRADES", steps)
        monkeypatch.setattr(migrations, "SCHEMA", 3)

    @pytest.mark.usefixtures("made_up")
    def test_an_old_record_goes_through_every_version(self):
        assert upgrade({"schema": 1, "why": "a"}, "x") == {"schema": 3, "note": "a", "cause": "a!"}
        assert upgrade({"schema": 2, "note": "a"}, "x") == {"schema": 3, "note": "a", "cause": "a!"}
        assert upgrade({"schema": 3, "note": "a"}, "x") == {"schema": 3, "note": "a"}

    @pytest.mark.usefixtures("made_up")
    def test_what_is_newer_still_is_refused(self):
        with pytest.raises(FmbenchError, match="x has schema 4; this fmbench reads up to 3: install a newer fmbench"):
            upgrade({"schema": 4}, "x")

    @pytest.mark.parametrize("version", ["1", 1.0, True, None, 0, -1])
    def test_a_version_that_is_none_is_refused(self, version):
        with pytest.raises(FmbenchError, match=r"x has schema .*, so fmbench did not write it"):
            upgrade({"schema": version}, "x")

    def test_a_record_without_one_is_refused(self, directory):
        content = files.read_json(directory.path / "status.json")
        del content["schema"]
        files.write_json(directory.path / "status.json", content)
        with pytest.raises(FmbenchError, match=r"status.json does not say its schema"):
            directory.status()

    @pytest.mark.parametrize("name", ["run.json", "status.json", "training.json", "metrics.jsonl"])
    def test_every_file_of_an_old_run_is_upgraded_as_it_is_read(self, directory, monkeypatch, name):
        seen = []
        monkeypatch.setattr(migrations, "UPGRADES", {1: lambda record: seen.append(record) or record})
        monkeypatch.setattr(migrations, "SCHEMA", 2)
        read = {
            "run.json": directory.record,
            "status.json": directory.status,
            "training.json": directory.training,
            "metrics.jsonl": directory.metrics,
        }
        assert read[name]()
        assert [record["schema"] for record in seen] == [1]

    def test_reading_writes_nothing(self, directory, monkeypatch):
        before = (directory.path / "run.json").read_bytes()
        monkeypatch.setattr(migrations, "UPGRADES", {1: dict})
        monkeypatch.setattr(migrations, "SCHEMA", 2)
        assert RunDirectory(directory.path).record().schema_ == 2
        assert (directory.path / "run.json").read_bytes() == before
