from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import textwrap

import pytest

from tests.helpers import TINY

SET = [f"--set={text}" for text in TINY]


def fmbench(*arguments, cwd, environ=None):
    """The command line in a process of its own: (exit status, output, errors)."""
    import os

    done = subprocess.run(
        [sys.executable, "-m", "fmbench", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=900, check=False, env={**os.environ, **(environ or {})},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The main job, tiny, with both output streams."""
    root = tmp_path_factory.mktemp("main")
    result = fmbench("run", "--methods", "fm-ot,ddpm", "--device", "cpu", *SET, cwd=root)
    return root, result


class TestRun:
    def test_the_main_job(self, store):
        root, (code, out, err) = store
        assert code == 0, err
        for part in ("fm-ot", "ddpm", "NLL", "FID", "NFE", "bits/dim", "digits-v1", "the floor"):
            assert part in out
        assert "fm-ot on digits, seed 0: done" in err
        assert len(list((root / "results").glob("digits/*/*/seed-0/run.json"))) == 2

    def test_the_second_run_repeats_nothing(self, store):
        root, (_, first, _) = store
        before = {path: path.stat().st_mtime_ns for path in (root / "results").rglob("[!.]*") if path.is_file()}
        code, out, err = fmbench("run", "--methods", "fm-ot,ddpm", *SET, cwd=root)
        assert (code, out) == (0, first)
        assert "2 of 2 runs are done already" in err
        assert before == {path: path.stat().st_mtime_ns for path in (root / "results").rglob("[!.]*") if path.is_file()}

    def test_another_sampler_is_another_row_and_trains_nothing(self, store, tmp_path):
        import shutil

        root, _ = store
        shutil.copytree(root / "results", tmp_path / "results")
        code, out, err = fmbench(
            "run",
            "--methods",
            "fm-ot",
            *SET,
            "--set",
            "sampler.name=heun",
            "--set",
            "sampler.steps=4",
            cwd=tmp_path,
        )
        assert code == 0, err
        assert "8.0" in out  # two calls a step
        _, table, _ = fmbench("table", "--format", "csv", cwd=tmp_path)
        rows = [row for row in csv.DictReader(io.StringIO(table)) if row["method"].startswith("fm-ot")]
        assert len(rows) == 2
        assert rows[0]["train_seconds"] == rows[1]["train_seconds"]
        assert rows[0]["nll"] == rows[1]["nll"]

    def test_the_native_sampler_on_request(self, store, tmp_path):
        import shutil

        root, _ = store
        shutil.copytree(root / "results", tmp_path / "results")
        code, out, err = fmbench(
            "run",
            "--methods",
            "ddpm",
            *SET,
            "--set",
            "sampler.name=native",
            "--set",
            "sampler.steps=30",
            cwd=tmp_path,
        )
        assert code == 0, err
        assert "30.0" in out
        assert "ancestral" in out

    def test_dry_run_writes_nothing(self, tmp_path):
        code, out, _ = fmbench("run", "--seeds", "2", "--dry-run", cwd=tmp_path)
        assert code == 0
        assert out.count("to do") == 4
        assert out.endswith("no finished runs to estimate from: `fmbench bench` measures this machine\n")
        assert list(tmp_path.iterdir()) == []

    def test_dry_run_estimates_from_finished_runs(self, store):
        root, _ = store
        asked = ("run", "--methods", "fm-ot", *SET, "--sweep", "sampler.name=dopri5,heun", "--dry-run")
        code, out, err = fmbench(*asked, cwd=root, environ={"COLUMNS": "200"})
        assert code == 0, err
        lines = out.splitlines()
        assert lines[0].split()[3:7] == ["sampler.name", "sampler.steps", "state", "estimate"]
        assert [line.split()[3:5] for line in lines if "fm-ot" in line] == [["default", "default"], ["heun", "50"]]
        assert [("done" in line, "to do" in line) for line in lines if "fm-ot" in line] == [
            (True, False),
            (False, True),
        ]
        assert re.fullmatch(r"about .* on one slot, from 1 finished run", lines[-1])

    def test_several_datasets_and_what_is_passed_over(self, tmp_path):
        said = ("--methods", "glow,fm-ot", "--dataset", "digits,moons")
        code, out, err = fmbench("run", *said, "--dry-run", cwd=tmp_path)
        assert code == 0
        assert out.count("to do") == 3
        assert err == "glow does not model vector data: passed over on moons\n"

    def test_a_config_file_and_a_vector_dataset(self, tmp_path):
        (tmp_path / "e.yaml").write_text("methods: [fm-ot]\ndataset: gaussian-2d\nseeds: [0, 1]\n")
        code, out, err = fmbench("run", "--config", "e.yaml", *SET, "--set", "nll.batch_size=5000", cwd=tmp_path)
        assert code == 0, err
        assert "nats" in out
        assert "±" in out

    def test_an_unavailable_number_is_exit_1_and_the_others_stand(self, tmp_path):
        code, out, _ = fmbench(
            "run",
            "--methods",
            "fm-ot",
            *SET,
            "--set",
            "fid.features=inception",
            cwd=tmp_path,
            environ={"FMBENCH_INCEPTION": ""},
        )
        assert code == 1
        assert "fid: no Inception weights: set FMBENCH_INCEPTION" in " ".join(out.split())
        assert "NLL" in out

    def test_a_failed_run_is_exit_1(self, tmp_path):
        (tmp_path / "p.py").write_text(textwrap.dedent(DIVERGES))
        code, out, err = fmbench("run", "--methods", "diverges,fm-ot", *SET, "--plugin", "p.py", cwd=tmp_path)
        assert code == 1
        assert "loss is nan at step 1" in out
        assert "Traceback" not in out + err


DIVERGES = """
    from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths

    class Diverges(GaussianPathMethod):
        path = paths.Linear()
        def loss(self, batch):
            return super().loss(batch) * float("nan")

    @hookimpl
    def fmbench_methods():
        return [MethodSpec("diverges", f"{__name__}:Diverges")]
"""
MINE = """\
from fmbench.api import GaussianPathMethod, MethodSpec, hookimpl, paths


class Mine(GaussianPathMethod):
    path = paths.Trig()


@hookimpl
def fmbench_methods():
    return [MethodSpec("mine", f"{__name__}:Mine")]
"""


def test_a_plugin_file_of_fifteen_lines_trains_and_shows_in_the_table(tmp_path):
    assert len(MINE.splitlines()) <= 15
    (tmp_path / "mine.py").write_text(MINE)
    code, _, err = fmbench("run", "--methods", "mine", "--plugin", "mine.py", *SET, cwd=tmp_path)
    assert code == 0, err
    _, table, _ = fmbench("table", "--format", "csv", cwd=tmp_path)
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["method"], row["status"]) == ("mine", "done")
    assert all(row[name] for name in ("nll", "fid", "nfe"))


class TestTable:
    def test_it_needs_the_results_alone_and_repeats_to_the_byte(self, store):
        root, _ = store
        for form in ("rich", "md", "latex", "csv", "json"):
            first, second = (fmbench("table", "--format", form, cwd=root) for _ in range(2))
            assert first == second
            assert first[0] == 0
            assert first[1]

    def test_csv(self, store):
        root, _ = store
        _, out, _ = fmbench("table", "--format", "csv", "--dataset", "digits", cwd=root)
        rows = list(csv.DictReader(io.StringIO(out)))
        assert [row["method"] for row in rows] == ["ddpm", "fm-ot"]
        assert all(row["status"] == "done" and row["nll"] and row["fid"] and row["nfe"] for row in rows)


class TestList:
    @pytest.mark.parametrize("kind", ["methods", "datasets", "networks", "metrics", "plugins"])
    def test_json_is_an_array_of_objects_with_a_name(self, tmp_path, kind):
        code, out, _ = fmbench("list", kind, "--format", "json", cwd=tmp_path)
        assert code == 0
        entries = json.loads(out)
        assert entries
        assert all(entry["name"] for entry in entries)

    def test_methods_say_their_family_paper_capabilities_and_defaults(self, tmp_path):
        _, out, _ = fmbench("list", "methods", "--format", "json", cwd=tmp_path)
        ddpm = next(entry for entry in json.loads(out) if entry["name"] == "ddpm")
        assert ddpm["capabilities"]["likelihoods"] == ["pf-ode", "vlb"]
        assert ddpm["defaults"]["beta_max"] == 20.0
        assert ddpm["family"] == "diffusion"

    def test_broken_plugins_are_shown_with_their_reason(self, tmp_path):
        (tmp_path / "broken.py").write_text("import not_there_at_all\n")
        code, out, _ = fmbench("list", "plugins", "--plugin", "broken.py", cwd=tmp_path)
        assert code == 0
        assert "broken" in out
        assert "not_there_at_all" in out

    def test_rich(self, tmp_path):
        code, out, _ = fmbench("list", "datasets", cwd=tmp_path)
        assert code == 0
        assert "8gaussians" in out


def test_info_tells_options_and_ranges(tmp_path):
    code, out, _ = fmbench("info", "fm-ot", cwd=tmp_path)
    assert code == 0
    for part in ("options.fm-ot.sigma_min", "0.0001", "> 0", "Lipman"):
        assert part in out
    assert fmbench("info", "mlp", cwd=tmp_path)[1].count("network.") == 3
    assert "train.batch_size" in fmbench("info", "train", cwd=tmp_path)[1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--methods", "fm-to"], "unknown method 'fm-to'. Did you mean 'fm-ot'?"),
        (["run", "--dataset", "digit"], "unknown dataset 'digit'"),
        (["run", "--set", "train.stpes=3"], "Did you mean 'steps'?"),
        (["run", "--set", "train.steps=-3"], "train.steps = -3"),
        (["run", "--config", "absent.yaml"], "cannot read configuration"),
        (["run", "--seeds", "x"], "--seeds 'x'"),
        (["run", "--seeds", "0"], "--seeds '0'"),
        (["run", "--sweep", "train.lr"], "--sweep 'train.lr': write key=value,value"),
        (["run", "--device", "tpu"], "--device 'tpu': choose auto, cpu or cuda"),
        (["run", "--plugin", "absent.py"], "does not exist"),
        (["run", "--stes", "3"], "No such option"),
        (["run", "--jobs", "0"], "'--jobs': Input should be greater than or equal to 1"),
        (["serve", "--port", "99999"], "'--port'"),
        (["table", "--format", "xml"], "unknown format 'xml'"),
        (["table"], "no results directory"),
        (["list", "method"], "Did you mean 'methods'?"),
        (["list", "methods", "--format", "xml"], "--format 'xml'"),
        (["info", "fm-to"], "Did you mean 'fm-ot'?"),
        (["rnu"], "No such command 'rnu'"),
    ],
)
def test_what_makes_no_sense_is_one_line_exit_2_and_writes_nothing(tmp_path, arguments, text):
    code, out, err = fmbench(*arguments, cwd=tmp_path)
    assert code == 2
    assert text in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_version(tmp_path):
    from fmbench import __version__

    assert fmbench("--version", cwd=tmp_path)[:2] == (0, f"fmbench {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["run", "--dry-run"], ["list", "methods"], ["info", "ddpm"], ["list", "plugins"]],
)
def test_torch_is_not_imported_to_talk_about_methods(tmp_path, arguments):
    script = (
        "import sys; from fmbench.cli import main; sys.argv = ['fmbench', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit(7 if {'torch', 'pandas', 'diffusers', 'scipy'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
