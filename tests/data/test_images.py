"""A stranger's pictures: each way to save one comes out right, or is refused by name."""

from __future__ import annotations

import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from fmbench.data import images as module
from fmbench.data.base import Levels
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

DEFAULTS = {"size": 0, "crop": "center", "colour": "auto", "test_every": 10}
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """Of two grey pictures, one of which is held out."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(GREY).save(folder / name)
    return folder


def load(folder, **options):
    return module.images(path=str(folder), **{**DEFAULTS, "test_every": 2, **options})


def encoded(picture, form="PNG", **said):
    stream = BytesIO()
    picture.save(stream, form, **said)
    return stream.getvalue()


def read(picture, form="PNG", **said):
    return np.asarray(module.opened_picture("it.png", encoded(picture, form, **said)))


class TestModes:
    def test_grey_and_colour(self):
        assert (read(Image.fromarray(GREY)) == GREY).all()
        assert (read(Image.fromarray(COLOUR)) == COLOUR).all()
        assert (read(Image.fromarray(GREY > 31)) == 255 * (GREY > 31)).all()

    def test_a_palette_gives_the_colours_that_it_names(self):
        picture = Image.fromarray(COLOUR).quantize(256)
        assert (read(picture) == np.asarray(picture.convert("RGB"))).all()

    def test_sixteen_bits_keep_their_upper_eight(self):
        wide = (GREY.astype(np.uint16) << 8) + 200
        assert (read(Image.fromarray(wide)) == GREY).all()

    def test_cmyk(self):
        picture = Image.fromarray(COLOUR).convert("CMYK")
        found = read(picture, "JPEG", quality=100, subsampling=0)
        assert np.abs(found.astype(int) - COLOUR).max() < 30

    def test_alpha_that_hides_nothing_is_dropped_and_one_that_hides_is_refused(self):
        picture = Image.fromarray(COLOUR).convert("RGBA")
        assert (read(picture) == COLOUR).all()
        assert (read(Image.fromarray(GREY).convert("LA")) == GREY).all()
        picture.putpixel((3, 4), (1, 2, 3, 254))
        with pytest.raises(FmbenchError, match=r"it\.png: is transparent in places: lay it on a background first"):
            read(picture)

    def test_a_transparent_colour_of_a_palette_is_refused(self):
        picture = Image.fromarray(COLOUR).quantize(16)
        with pytest.raises(FmbenchError, match="transparent"):
            read(picture, transparency=picture.getpixel((0, 0)))

    def test_it_is_turned_as_its_camera_says(self):
        facts = Image.Exif()
        facts[0x0112] = 6  # a quarter turn to the right
        found = read(Image.fromarray(np.repeat(GREY, 2, axis=1)), "JPEG", exif=facts, quality=100)
        assert found.shape == (16, 8)
        assert np.abs(found.astype(int) - np.rot90(np.repeat(GREY, 2, axis=1), -1)).max() < 12

    def test_an_animation_is_refused(self):
        frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy())]
        with pytest.raises(FmbenchError, match=r"it\.png: is animated"):
            read(frames[0], save_all=True, append_images=frames[1:])

    @pytest.mark.parametrize("content", [b"", b"no picture", encoded(Image.fromarray(COLOUR))[:-40]])
    def test_a_broken_file_is_named(self, content):
        with pytest.raises(FmbenchError, match=r"^it\.png: cannot be read as a picture \(") as error:
            module.opened_picture("it.png", content)
        assert "\n" not in str(error.value)


class TestSplits:
    def test_every_so_manieth_is_held_out(self, tmp_path):
        for i in range(7):
            Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / f"{i}.png")
        dataset = load(tmp_path, test_every=3)
        assert dataset.test[:, 0, 0, 0].tolist() == [2, 5]
        assert dataset.train[:, 0, 0, 0].tolist() == [0, 1, 3, 4, 6]
        assert (dataset.shape, dataset.train.dtype, dataset.transform) == ((1, 8, 8), torch.uint8, Levels(256))

    def test_folders_of_that_name_are_the_splits(self, tmp_path):
        for place, name in enumerate(["train/x/1.png", "train/2.png", "test/3.png"]):
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), place, np.uint8)).save(path)
        dataset = load(tmp_path / "data")
        assert (dataset.train[:, 0, 0, 0].tolist(), dataset.test[:, 0, 0, 0].tolist()) == ([1, 0], [2])

    def test_too_few_to_hold_one_out(self, folder):
        with pytest.raises(FmbenchError, match="2 pictures leave none for test: give more, or change test_every"):
            load(folder, test_every=10)


def test_a_zip_file_is_as_its_folder(folder, tmp_path):
    Image.fromarray(GREY).save(folder / ".hidden.png")
    (folder / "notes.txt").write_text("no picture")
    Image.fromarray(COLOUR).save(folder / "B.JPG", quality=95)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
        archive.writestr("__MACOSX/a.png", b"no picture")
    one, other = load(folder), load(tmp_path / "all.zip")
    assert len(one.train) + len(one.test) == 3
    assert torch.equal(one.train, other.train)
    assert torch.equal(one.test, other.test)


def test_colour_is_kept_if_any_has_it_and_as_it_is_asked(folder):
    assert load(folder).shape == (1, 8, 8)
    Image.fromarray(COLOUR).save(folder / "c.png")
    assert load(folder).shape == (3, 8, 8)
    assert load(folder, colour="grey").shape == (1, 8, 8)
    (folder / "c.png").unlink()
    dataset = load(folder, colour="rgb")
    assert torch.equal(dataset.train[0], torch.from_numpy(GREY).expand(3, 8, 8))


def test_the_middle_is_shrunk_to_the_size(folder):
    wide = np.zeros((16, 32), np.uint8)
    wide[:, 8:24] = 200  # the square in the middle
    Image.fromarray(wide).save(folder / "a.png")
    dataset = load(folder, size=8)
    assert dataset.train.unique().tolist() == [200]
    assert torch.equal(dataset.test[0, 0], torch.from_numpy(GREY))


def test_what_cannot_be_brought_to_one_size_is_refused_by_name(folder):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "b.png")
    with pytest.raises(FmbenchError, match=r"a\.png is 8 x 8, and b\.png is 9 x 9: say data\.images\.size"):
        load(folder)
    with pytest.raises(FmbenchError, match=r"a\.png is 8 x 8, smaller than data\.images\.size = 9"):
        load(folder, size=9)
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(folder / "b.png")
    for said in ({}, {"size": 8, "crop": "none"}):
        with pytest.raises(FmbenchError, match=r"b\.png is 9 x 8, not square: say data\.images\.size"):
            load(folder, **said)


def test_where_nothing_is(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    for path, text in (
        (tmp_path / "empty", r"empty: holds no picture \(\.bmp, \.jpeg, \.jpg, \.png, \.webp\)"),
        (tmp_path / "absent", "absent: there is no such folder or zip file"),
        (tmp_path / "broken.zip", "is neither a folder nor a zip file that can be read"),
    ):
        with pytest.raises(FmbenchError, match=text):
            load(path)


@pytest.mark.parametrize("said", [(), ("data.images.size=8",)])
def test_that_no_path_was_given_is_told_before_anything_is_written(said):
    with pytest.raises(FmbenchError, match=r"^images needs data\.images\.path: folder or zip file of pictures .*PNG"):
        tiny_plan("network.name=mlp", *said, methods=["fm-ot"], dataset="images")


def test_it_is_prepared_again_where_a_picture_has_changed(folder, cache):
    first = load(folder)
    assert torch.equal(load(folder).train, first.train)
    assert len(list((cache / "images").iterdir())) == 1
    Image.fromarray(GREY.T.copy()).save(folder / "a.png")
    assert torch.equal(load(folder).train[0, 0], torch.from_numpy(GREY.T.copy()))
    assert len(list((cache / "images").iterdir())) == 2


def test_a_method_is_trained_and_measured_on_them(tmp_path):
    chance = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for i in range(40):
        Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "mine" / f"{i:02}.png")
    plugins = load_plugins(environ={})
    said = (f"data.images.path={tmp_path / 'mine'}", "data.images.test_every=2", "network.name=mlp")
    (run,) = tiny_plan(*said, plugins=plugins, methods=["fm-ot"], dataset="images", metrics=["nll", "nfe", "fid"])
    carry_out([run], tmp_path / "results", plugins)
    found = {record.name: record for record in RunDirectory.of(tmp_path / "results", run).metrics()}
    assert found["nll"].n == 20
    assert found["nfe"].value > 0
    assert found["fid"].value is None
    assert "inception" in found["fid"].reason.lower()
