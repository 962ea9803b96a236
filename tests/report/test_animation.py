"""Points on their way, as a film."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fmbench.cli import app
from fmbench.errors import FmbenchError
from fmbench.progress import Silent
from fmbench.report import animation
from fmbench.report.animation import animate, between
from fmbench.report.figures import Order
from tests.helpers import tiny_plan
from tests.report.made_up import drawn

BLUE = (0, 114, 178)


class Noted(Silent):
    def __init__(self):
        self.calls = []

    def stage(self, name, total, done=0):
        self.calls.append((name, total))

    def update(self, done, note=""):
        self.calls.append(done)


@pytest.fixture
def store(tmp_path):
    runs = tiny_plan(methods=["fm-ot", "ddpm", "nsf"], dataset="8gaussians", metrics=["nfe"])
    for run in runs:
        drawn(tmp_path, run, **({"frames": 1} if run.training.method.name == "nsf" else {"frames": 4}))
    return tmp_path


def order(root, *rows):
    return Order(root, "8gaussians", rows)


def middle(image):
    """How far right the blue points of the left panel are, in pixels."""
    pixels = np.asarray(image.convert("RGB")).astype(int)[:, : image.width // 2]
    near = np.abs(pixels - BLUE).sum(axis=2) < 60
    return np.nonzero(near)[1].mean()


def test_points_move_from_noise_to_data_and_the_end_stands_still(store):
    progress = Noted()
    animate(order(store, "fm-ot", "ddpm"), store / "a.gif", progress)
    with Image.open(store / "a.gif") as film:
        places, times = [], []
        for index in range(film.n_frames):
            film.seek(index)
            times.append(film.info["duration"])
            places.append(middle(film))
    assert len(places) == 3 * animation.BETWEEN + 1
    assert places == sorted(places)
    assert places[-1] - places[0] == pytest.approx(3 / 8 * 2.1 * animation.DPI, rel=0.06)  # 3 of the window's 8
    assert times == [50] * 9 + [1500]
    assert progress.calls == [("animate", 10), *range(1, 11)]


def test_between_recorded_frames_points_go_straight():
    ways = np.array([[[0.0, 0.0]], [[1.0, 0.0]], [[1.0, 4.0]]])
    for share, wanted in ((0, (0, 0)), (0.25, (0.5, 0)), (0.5, (1, 0)), (0.75, (1, 2)), (1, (1, 4))):
        np.testing.assert_allclose(between(ways, share), [wanted])


def test_the_same_store_gives_the_same_bytes(store):
    for name in ("a.gif", "b.gif"):
        animate(order(store, "fm-ot"), store / name, Silent())
    assert (store / "a.gif").read_bytes() == (store / "b.gif").read_bytes()


def test_what_is_no_flow_is_left_out_unless_it_is_asked_for(store):
    animate(order(store), store / "a.gif", Silent())
    with Image.open(store / "a.gif") as film:
        assert film.width == 2 * round(animation.SIDE * animation.DPI)
    with pytest.raises(FmbenchError, match="nsf: no way from noise to data was recorded; ask for flows by --methods"):
        animate(order(store, "fm-ot", "nsf"), store / "b.gif", Silent())
    assert not (store / "b.gif").exists()


def test_a_method_far_outside_the_window_says_so(store, monkeypatch):
    (run,) = tiny_plan(methods=["ve-sde"], dataset="8gaussians", metrics=["nfe"])
    drawn(store, run, points=np.linspace(100, 0, 4)[:, None, None] * np.ones((1, 8, 2)))
    said = []
    monkeypatch.setattr("matplotlib.text.Text.set_text", lambda _, text: said.append(text))
    animate(order(store, "ve-sde"), store / "a.gif", Silent())
    assert "100% outside" in said
    assert said[-1] == ""


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4_has_all_pictures_and_a_still_end(store):
    animate(order(store, "fm-ot"), store / "new" / "a.mp4", Silent())
    probe = ["ffprobe", "-v", "error", "-show_entries", "stream=nb_frames,width,height", "-of", "csv=p=0"]
    said = subprocess.run([*probe, str(store / "new" / "a.mp4")], capture_output=True, text=True, check=True).stdout
    width, height, frames = map(int, said.strip().split(","))
    assert frames == 10 + animation.STILL
    assert (width % 2, height % 2) == (0, 0)
    assert [file.name for file in (store / "new").iterdir()] == ["a.mp4"]


def test_what_cannot_be_written_is_said_before_anything_is_drawn(store, monkeypatch):
    with pytest.raises(FmbenchError, match=r"a.avi': end it in .gif or .mp4"):
        animate(order(store), store / "a.avi", Silent())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FmbenchError, match=r"ffmpeg, which writes MP4, is not installed; end it in .gif"):
        animate(order(store), store / "a.mp4", Silent())


def test_when_ffmpeg_fails_its_last_line_is_the_reason(store, monkeypatch, tmp_path):
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho trouble >&2\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    with pytest.raises(
        FmbenchError, match=r"ffmpeg cannot write .*a.mp4: Unknown encoder libx264; end --output in .gif"
    ):
        animate(order(store, "fm-ot"), store / "a.mp4", Silent())
    assert not (store / "a.mp4").exists()


def test_on_the_command_line(store):
    said = ["animate", "--results-dir", str(store), "--methods", "fm-ot", "--output", str(store / "a.gif")]
    answer = CliRunner().invoke(app, said)
    assert answer.exit_code == 0, answer.output
    assert answer.output.strip() == f"wrote {store / 'a.gif'}"
    assert (store / "a.gif").read_bytes().startswith(b"GIF89a")
