"""What surrounds a command is as it is: no GPU, output that is not UTF-8. Nothing is lost by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers import carry_out, tiny_plan

FMBENCH = str(Path(sys.executable).parent / "fmbench")


def run(*arguments, **environment):
    return subprocess.run(
        [FMBENCH, *map(str, arguments)],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("asked", [("--device", "cuda"), ("--gpus", "0")])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_written(tmp_path, asked):
    done = run("run", "--methods", "gaussian", "--results-dir", tmp_path / "results", *asked)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"error: {' '.join(asked)}: PyTorch finds no CUDA device here")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_an_encoding_lacks_is_replaced(tmp_path, encoding):
    carry_out(tiny_plan(methods=["gaussian"], metrics=["nfe"], seeds=[0, 1]), tmp_path)
    done = run("table", "--results-dir", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "gaussian" in done.stdout.decode(encoding)
    assert b"?" in done.stdout


@pytest.mark.parametrize("command", [("list", "methods"), ("info", "fm-ot"), ("eval",), ("verify",)])
def test_every_command_says_what_is_wrong_with_plugins(tmp_path, command):
    (tmp_path / "broken.py").write_text("import not_there_at_all\n")
    (tmp_path / "rude.py").write_text("import torch\ntorch.set_default_dtype(torch.float64)\n")
    files = [part for name in ("broken", "rude") for part in ("--plugin", tmp_path / f"{name}.py")]
    err = run(*command, *files).stderr.decode()
    assert "warning: plugin 'broken' (file broken.py) is broken at import: ModuleNotFoundError" in err
    assert "warning: plugin 'rude' (file rude.py) " in err
    assert "dtype" in err
