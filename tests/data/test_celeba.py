"""CelebA through its real loader, from a small archive of the official format."""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fmbench.data import celeba as module
from fmbench.errors import FmbenchError

SIZE = (178, 218)  # of its pictures, width first


def face(value):
    """Of one colour in the middle 140 x 140, black around it, so that the cut shows."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    picture[39:179, 19:159] = value
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=100, subsampling=0)
    return stream.getvalue()


@pytest.fixture
def place(known, tmp_path):
    """Puts an archive of faces and a list of their splits into FMBENCH_DATA."""

    def put(lines, faces):
        with zipfile.ZipFile(tmp_path / module.FACES, "w") as archive:
            for name, value in faces.items():
                archive.writestr(f"img_align_celeba/{name}", face(value))
        (tmp_path / module.PARTITION).write_text("".join(f"{line}\n" for line in lines))
        assert set(module.SOURCE.digests) == {module.FACES, module.PARTITION}
        known(
            module,
            "SOURCE",
            {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in module.SOURCE.digests},
        )

    return put


LINES = ["000001.jpg 0", "000002.jpg 2", "000003.jpg 1", "000004.jpg 0"]
FACES = {f"{i:06}.jpg": (40 * i, 100, 200) for i in range(1, 5)}


def test_it_is_cut_shrunk_and_split_as_published(place):
    place(LINES, FACES)
    dataset = module.celeba64()
    assert (dataset.train.shape, dataset.test.shape) == ((2, 3, 64, 64), (1, 3, 64, 64))
    assert dataset.train_labels is None
    middle = dataset.train[:, :, 2:-2, 2:-2].float()
    assert middle[:, 0].flatten(1).mean(1).tolist() == pytest.approx([40, 160], abs=3)
    assert middle[:, 2].mean() == pytest.approx(200, abs=3)
    assert float(dataset.test[:, 0].float().mean()) == pytest.approx(80, abs=3)  # nothing of the black frame


def test_blocks_keep_the_order(place, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1)
    place(LINES, FACES)
    assert module.celeba64().train[:, 0, 32, 32].tolist() == pytest.approx([40, 160], abs=3)


def test_nothing_is_fetched(known):
    known(module, "SOURCE", module.SOURCE.digests)
    object.__setattr__(module.SOURCE, "url", "")
    with pytest.raises(FmbenchError, match=r"there is no img_align_celeba\.zip here, and no address .* or set FMBENCH"):
        module.celeba64()


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["<html>"], "is no list of names and splits"),
        (["000001.jpg 0"], "names no picture of test"),
        ([*LINES, "000009.jpg 0"], r"does not hold the pictures \(.*000009\.jpg"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(place, tmp_path, lines, text):
    place(lines, FACES)
    with pytest.raises(FmbenchError, match=text) as error:
        module.celeba64()
    assert "\n" not in str(error.value)
    assert not any((tmp_path / "cache").rglob("*.npy"))
