"""The style of all figures: the same bytes whatever the user's settings, whole files or none, text as it is."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from fmbench.errors import FmbenchError
from fmbench.report.figures import style


def drawn(text="samples"):
    with style.figure(height=2) as picture:
        axis = picture.subplots()
        axis.plot([1, 2], [3, 4], marker="o", label="a line")
        axis.legend()
        style.caption(picture, text)
    return picture


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
class TestSave:
    def test_the_same_figure_is_the_same_bytes_whatever_the_users_settings(self, tmp_path, suffix):
        first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
        style.save(drawn(), first)
        with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "savefig.dpi": 30, "svg.hashsalt": "other"}):
            style.save(drawn(), second)
        assert first.read_bytes() == second.read_bytes()

    def test_nothing_in_it_tells_when_or_by_which_version_it_was_made(self, tmp_path, suffix):
        style.save(drawn(), tmp_path / f"a.{suffix}")
        content = (tmp_path / f"a.{suffix}").read_bytes()
        assert b"CreationDate" not in content
        assert b"dc:date" not in content
        assert b"Software" not in content

    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path, suffix, monkeypatch):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"old")
        picture = drawn()

        def fail(*args, **more):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(picture, "savefig", fail)
        with pytest.raises(FmbenchError, match=r"cannot write .*No space left"):
            style.save(picture, path)
        assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


def test_it_makes_the_folder_and_reads_suffixes_in_capitals(tmp_path):
    style.save(drawn(), tmp_path / "new" / "a.PNG")
    assert (tmp_path / "new" / "a.PNG").read_bytes().startswith(b"\x89PNG")


def test_another_suffix_says_which_there_are(tmp_path):
    with pytest.raises(FmbenchError, match=r"a.gif': end it in .pdf, .png, .svg"):
        style.save(drawn(), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_a_caption_is_wrapped_within_the_figure_and_below_the_axes():
    picture = drawn("word " * 80 + "$x_{$")  # dollars are no mathematics
    picture.draw_without_rendering()
    (text,) = [one for one in picture.findobj(mpl.text.Text) if one.get_text().startswith("word")]
    box = text.get_window_extent()
    assert text.get_text().endswith("$x_{$")
    assert box.x1 <= picture.bbox.x1
    assert box.y0 >= 0
    assert box.y1 < picture.axes[0].get_tightbbox().y0


def test_the_palette_begins_again():
    colours = style.palette(9)
    assert len(set(colours[:7])) == 7
    assert colours[7:] == colours[:2]
