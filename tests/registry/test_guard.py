"""What a plugin does to the process while it is loaded is put back and told; what it raises is its own fault."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from fmbench.registry.discovery import load_plugins

HOOK = """
from fmbench.api import MethodSpec, hookimpl

@hookimpl
def fmbench_methods():
    return [MethodSpec("mine", "x:Y")]
"""


@pytest.fixture
def load(tmp_path):
    def load(text, name="odd"):
        path = tmp_path / f"{name}.py"
        path.write_text(textwrap.dedent(text) + HOOK)
        return load_plugins([path], environ={})

    return load


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "RuntimeError('no licence')"])
@pytest.mark.parametrize("stage", ["import", "call"])
def test_what_it_raises_is_its_own_fault(tmp_path, raised, stage):
    path = tmp_path / "odd.py"
    body = f"raise {raised}\n" if stage == "import" else ""
    path.write_text(body + HOOK + (f"    raise {raised}\n" if stage == "call" else ""))
    if stage == "call":
        path.write_text(HOOK.replace("    return", f"    raise {raised}\n    return"))
    plugins = load_plugins([path], environ={})
    assert [(one.name, one.stage) for one in plugins.broken] == [("odd", stage)]
    assert raised.partition("(")[0] in plugins.broken[0].error
    assert "fm-ot" in plugins.methods


def test_ctrl_c_at_the_keyboard_is_not(tmp_path):
    path = tmp_path / "slow.py"
    path.write_text(f"import os, time\nos.kill(os.getpid(), {int(signal.SIGINT)})\ntime.sleep(5)\n" + HOOK)
    code = "\n".join(
        [
            "import pathlib, signal",
            "from fmbench.registry.discovery import load_plugins",
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            "try:",
            f"    load_plugins([pathlib.Path({str(path)!r})], environ={{}})",
            "except KeyboardInterrupt:",
            "    print('stopped', signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "stopped True\n", done.stderr


@pytest.mark.parametrize(
    ("does", "what", "read"),
    [
        ("torch.set_default_dtype(torch.float64)", "torch's default dtype", torch.get_default_dtype),
        ("torch.set_num_threads(2)", "torch's number of threads", torch.get_num_threads),
        ("torch.set_grad_enabled(False)", "whether torch records gradients", torch.is_grad_enabled),
        ("torch.manual_seed(3)", "torch's random generator", lambda: torch.get_rng_state().tolist()),
        ("np.random.seed(3)", "NumPy's random generator", lambda: np.random.get_state()[1].tolist()),
        ("random.seed(3)", "Python's random generator", random.getstate),
        ("os.chdir('/')", "the working directory", os.getcwd),
    ],
)
def test_what_it_alters_is_put_back_and_told(load, does, what, read):
    before = read()
    plugins = load(f"import os, random\nimport numpy as np\nimport torch\n{does}\n")
    assert read() == before
    assert plugins.notes == [f"plugin 'odd' (file odd.py) changed {what} while it was loaded: put back"]
    assert "mine" in plugins.methods


def test_one_that_replaces_the_finders_of_imports_is_no_end(load):
    finders = [*sys.meta_path]
    try:
        plugins = load("import sys\nsys.meta_path[:] = sys.meta_path[1:]\n")
        assert "mine" in plugins.methods
        assert plugins.broken == []
    finally:
        sys.meta_path[:] = finders


def test_a_quiet_one_is_not_noted(load):
    assert load("import torch\n").notes == []


def test_what_it_prints_is_no_output(load, capsys):
    load("print('plugin loaded')\n")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "plugin loaded" in captured.err


def test_a_run_goes_on_whatever_it_prints_to_the_standard_output(tmp_path):
    """The worker that all runs come from speaks on a descriptor of its own."""
    path = tmp_path / "loud.py"
    path.write_text("import os\nprint('plugin loaded')\nos.write(1, b'and more\\n')\n" + HOOK)
    said = [
        "train.steps=4",
        "train.warmup=1",
        "train.batch_size=8",
        "network.width=8",
        "sampler.samples=64",
        "sampler.draws=1",
    ]
    command = [Path(sys.executable).parent / "fmbench", "run", "--methods", "gaussian", "--metrics", "nfe", "--dataset"]
    command += ["moons", "--plugin", path, "--results-dir", tmp_path / "results", "--device", "cpu"]
    for key in said:
        command += ["--set", key]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "gaussian on moons, seed 0: done" in done.stderr
