"""What goes wrong around a store: foreign things in it, a newer version's, a file system that refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from fmbench.errors import FmbenchError
from fmbench.report.table import build
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory, find_runs
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number, text


@pytest.fixture
def run():
    return tiny_plan(methods=["fm-ot"])[0]


@pytest.fixture
def directory(run, tmp_path):
    return fill(tmp_path / "results", run, {"nfe": (100.0,)})


class TestTornLines:
    @pytest.mark.parametrize("cut", [1, 2, 9, 200])
    def test_wherever_a_line_is_torn_the_others_count(self, run, directory, cut):
        """All but a newline of it is a whole one."""
        path = directory.path / "metrics.jsonl"
        whole = path.read_bytes()
        directory.add_metrics([number(run, "nll", 2.5)])
        path.write_bytes(path.read_bytes()[:-cut])
        assert [record.name for record in directory.metrics()] == ["nfe"] + ["nll"] * (cut == 1)
        directory.add_metrics([number(run, "nll", 3.5)])
        assert {record.name: record.value for record in directory.metrics()} == {"nfe": 100.0, "nll": 3.5}
        assert path.read_bytes().startswith(whole)

    def test_bytes_that_are_no_text_are_a_torn_line(self, directory):
        path = directory.path / "metrics.jsonl"
        path.write_bytes(path.read_bytes() + b'{"metric": "\xff\xfe"}\n\x00\x00\n')
        assert [record.name for record in directory.metrics()] == ["nfe"]

    def test_a_whole_line_that_is_no_record_is_an_error_that_names_it(self, directory):
        with (directory.path / "metrics.jsonl").open("a") as stream:
            stream.write("[1]\n")
        with pytest.raises(FmbenchError, match=r"metrics.jsonl is not a record of fmbench"):
            directory.metrics()


class TestForeignThings:
    def test_what_looks_like_a_run_and_is_none_is_passed_over(self, directory, tmp_path):
        root = tmp_path / "results"
        expected = text(build(root))
        method, configuration = directory.path.parent.parent, directory.path.parent
        (root / "digits.txt").write_text("a file among datasets")
        (root / "empty").mkdir()
        (method / "file-5f9f9f81708a").write_text("a file among configurations")
        (configuration / "seed-7").write_text("a file among seeds")
        (configuration / "seed-8").mkdir()
        (configuration / "seed-9" / "run.json").mkdir(parents=True)
        for name in ("seed-x", "seed-0 (copy)", "seed-0.bak", ".seed-1", "seed-"):
            shutil.copytree(directory.path, configuration / name)
        shutil.copytree(method, method.with_name(".hidden"))
        (root / "dangling").symlink_to("nowhere")
        assert list(find_runs(root)) == [directory]
        assert text(build(root)) == expected

    def test_runs_are_found_in_a_fixed_order(self, tmp_path):
        runs = tiny_plan(methods=["fm-ot", "ddpm"], seeds=[0, 1])
        for run in runs:
            RunDirectory.of(tmp_path, run).create(run)
        found = [directory.path for directory in find_runs(tmp_path)]
        assert found == sorted(found)
        assert len(found) == 4
        assert list(find_runs(tmp_path, "digits")) == list(find_runs(tmp_path))
        assert list(find_runs(tmp_path, "8gaussians")) == []
        assert list(find_runs(tmp_path / "absent")) == []

    @pytest.mark.parametrize("name", ["run.json", "status.json", "training.json", "metrics.jsonl"])
    def test_a_store_of_a_newer_version_is_refused_in_a_line(self, directory, tmp_path, name):
        path = directory.path / name
        path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
        with pytest.raises(FmbenchError, match=f"{name} has schema 9; this fmbench reads up to 1") as caught:
            build(tmp_path / "results")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["status.json", "training.json", "metrics.jsonl"])
    def test_a_folder_where_a_file_should_be_is_a_line(self, directory, tmp_path, name):
        (directory.path / name).unlink()
        (directory.path / name).mkdir()
        with pytest.raises(FmbenchError, match=f"cannot read .*{name}: Is a directory"):
            build(tmp_path / "results")

    def test_a_run_without_its_status_is_a_line(self, directory, tmp_path):
        (directory.path / "status.json").unlink()
        with pytest.raises(FmbenchError, match=r"status.json is not there: move the run's directory away"):
            build(tmp_path / "results")


@pytest.fixture
def mounted(tmp_path):
    """A file system of one megabyte of its own, mounted with the options given."""
    place = tmp_path / "mounted"
    place.mkdir()

    def mount(options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")
        return place

    yield mount
    subprocess.run(["umount", place], capture_output=True, check=False)


def everything(directory):
    return {path.name: path.read_bytes() for path in sorted(directory.path.rglob("*")) if path.is_file()}


class TestRefusals:
    def write(self, run, directory):
        """Each way of writing: a file replaced, lines appended, a new run."""
        yield lambda: directory.set_status(StatusRecord(state="failed", reason="x" * 4096))
        yield lambda: directory.add_metrics([number(run, "nll", 2.5, reason="x" * 4096)])
        yield lambda: RunDirectory(directory.path.with_name("seed-7")).create(run)

    def check(self, run, directory, reason):
        before = everything(directory)
        for attempt in self.write(run, directory):
            with pytest.raises(FmbenchError, match=f"cannot write .*: {reason}") as caught:
                attempt()
            assert "\n" not in str(caught.value)
        assert {record.name: record.value for record in directory.metrics()} == {"nfe": 100.0}
        assert directory.status().state == "done"
        after = everything(directory)
        assert {name: text for name, text in after.items() if name != "metrics.jsonl"} == {
            name: text for name, text in before.items() if name != "metrics.jsonl"
        }
        assert after["metrics.jsonl"].startswith(before["metrics.jsonl"])
        assert not list(directory.path.parent.glob("seed-7/*"))

    def test_a_read_only_store(self, run, mounted):
        root = mounted("size=1m")
        directory = fill(root, run, {"nfe": (100.0,)})
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        self.check(run, directory, "Read-only file system")

    def test_a_full_disk(self, run, mounted):
        root = mounted("size=1m")
        directory = fill(root, run, {"nfe": (100.0,)})
        with pytest.raises(OSError, match="No space left"):
            (root / "ballast").write_bytes(b"x" * 2_000_000)
        assert os.statvfs(root).f_bavail == 0
        self.check(run, directory, "No space left on device")
        (root / "ballast").unlink()
        directory.add_metrics([number(run, "nll", 2.5)])
        assert {record.name for record in directory.metrics()} == {"nfe", "nll"}

    def test_a_limit_on_the_size_of_files(self, directory, run, tmp_path):
        """Where nothing may be mounted: a process that may write 2 kB a file."""
        before = text(build(tmp_path / "results"))
        code = """
            import resource, signal, sys
            from pathlib import Path
            from fmbench.errors import FmbenchError
            from fmbench.store import files
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
            path = Path(sys.argv[1])
            for write in (lambda: files.write_json(path / "status.json", "x" * 9000),
                          lambda: files.append_lines(path / "metrics.jsonl", ["x" * 9000])):
                try:
                    write()
                except FmbenchError as error:
                    print(error)
        """
        arguments = [sys.executable, "-c", textwrap.dedent(code), directory.path]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert done.stdout.count("cannot write") == done.stdout.count("File too large") == 2
        assert text(build(tmp_path / "results")) == before
        assert list(directory.path.glob(".*")) == []
        directory.add_metrics([number(run, "nll", 2.5)])
        assert {record.name for record in directory.metrics()} == {"nfe", "nll"}

    def test_a_file_that_cannot_be_read(self, directory):
        path = directory.path / "run.json"
        path.unlink()
        path.mkdir()
        with pytest.raises(FmbenchError, match=r"cannot read .*run.json: Is a directory"):
            directory.record()

    @pytest.mark.usefixtures("directory")
    def test_a_folder_that_may_not_be_listed(self, tmp_path, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("fmbench.store.run.os.scandir", refuse)
        with pytest.raises(FmbenchError, match=r"cannot read .*results: Permission denied"):
            build(tmp_path / "results")
