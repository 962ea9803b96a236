"""The wheel, installed away from the sources, is the whole tool."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest

from fmbench.registry.discovery import DISTRIBUTION

ROOT = Path(__file__).parents[1]
TRACKED = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "fmbench", "plugins", "configs")


def run(command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=900, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the commands of an environment with the wheel and what it depends on, but without the sources."""
    folder = tmp_path_factory.mktemp("packaging")
    sources = folder / "sources"
    sources.mkdir()
    run(["cp", "-r", *(ROOT / name for name in TRACKED), sources])
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, sources])
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    packages = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel])
    # The dependencies are those of this environment; a line of plain text does not run the hook of an editable install.
    dependencies = {str(Path(metadata.distribution(name).locate_file(""))) for name in ("torch", "pluggy", "pytest")}
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(dependencies)))
    return python.parent


class TestTheWheel:
    @pytest.fixture
    def command(self, installed, tmp_path):
        environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "FMBENCH_PLUGINS"}}

        def call(*arguments):
            return run([installed / "fmbench", *arguments], cwd=tmp_path, env=environment)

        return call

    def test_its_code_is_its_own(self, installed, tmp_path):
        imports = "import fmbench, fmbench_plugins, fmbench_configs"
        code = f"{imports}; print(fmbench.__file__, fmbench_plugins.__file__, *fmbench_configs.__path__)"
        homes = run([installed / "python", "-c", code], cwd=tmp_path).split()
        assert len(homes) == 3
        assert all(Path(home).is_relative_to(installed.parent) for home in homes)

    def test_it_runs_and_shows_a_table_from_an_empty_folder(self, command, tmp_path):
        tiny = ["train.steps=2", "train.batch_size=8", "network.width=8", "sampler.samples=8", "sampler.draws=1"]
        chosen = [word for key in tiny for word in ("--set", key)]
        asked = ["--methods", "fm-ot,ddpm", "--dataset", "moons", "--seeds", "1", "--metrics", "nfe"]
        ran = command("run", *asked, *chosen)
        assert "fm-ot" in ran
        assert "ddpm" in ran
        assert "fm-ot" in command("table")
        command("report")
        assert (tmp_path / "report.html").stat().st_size > 100_000

    def test_it_lists_what_there_is(self, command):
        shipped = {"methods": "fm-ot", "datasets": "digits", "networks": "unet", "metrics": "nll"}
        for kind, name in shipped.items():
            assert name in command("list", kind)

    def test_every_package_and_file_is_in_it(self, installed):
        (site,) = (installed.parent / "lib").glob("*/site-packages")
        for folder, name in (("fmbench", "fmbench"), ("plugins", "fmbench_plugins"), ("configs", "fmbench_configs")):
            here = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*") if path.is_file()}
            there = {path.relative_to(site / name) for path in (site / name).rglob("*") if path.is_file()}
            wanted = {path for path in here if "__pycache__" not in path.parts}
            assert wanted <= there


def test_no_text_advises_to_install_a_stranger():
    """`fmbench` on PyPI is another project: every advice must work from a clone."""
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").rglob("*.py")]
    texts += [*(ROOT / "fmbench").rglob("*.py"), *(ROOT / "configs").glob("*.yaml")]
    assert len(texts) > 100
    for path in texts:
        found = re.search(r"pip install[ '\"-]*fmbench|\bfmbench\[", path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found and found[0]}"


def test_the_distribution_has_a_name_of_its_own():
    assert DISTRIBUTION == "flow-matching-bench"
    assert "fmbench" in {entry.name for entry in metadata.distribution(DISTRIBUTION).entry_points}
