"""CelebA (Liu et al. 2015), aligned, at 64 x 64 pixels: faces in colour, of 256 levels a channel."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fmbench.data.base import Dataset
from fmbench.data.downloads import AGAIN
from fmbench.data.images import Wish, channels_first, middle, opened_picture, square
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.data.sources import Source
from fmbench.errors import FmbenchError
from fmbench.registry.digests import CELEBA

FACES, PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"
SOURCE = Source("celeba", "", CELEBA, "fetch it by hand from the page of CelebA's authors")
SPLITS = {"train": "0", "test": "2"}  # in the partition; the validation split is left out
FACE, SIDE = 140, 64  # pixels: the middle of a picture, as Song et al. 2021 cut it, and what it is shrunk to
BLOCK = 1024  # pictures that are written together


def celeba64() -> Dataset:
    """162 770 faces for training and 19 962 for testing, the splits as published.

    Raises:
        FmbenchError: a file is not here, or is not what it should be.
    """

    def make() -> Arrays:
        faces, names = SOURCE.file(FACES), partition(SOURCE.file(PARTITION))
        return {split: pictures(faces, names[split]) for split in SPLITS}

    digest = hashlib.sha256(f"{FACE}{SIDE}{''.join(SOURCE.digests.values())}".encode()).hexdigest()
    return prepared_dataset("celeba64", digest, make)


def partition(path: Path) -> dict[str, list[str]]:
    """The names of the pictures of each split.

    Raises:
        FmbenchError: the file does not say so.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if not all(len(line) == 2 for line in lines):
        raise FmbenchError(f"{path}: is no list of names and splits; {AGAIN}")
    found = {split: [name for name, code in lines if code == wanted] for split, wanted in SPLITS.items()}
    for split, names in found.items():
        if not names:
            raise FmbenchError(f"{path}: names no picture of {split}; {AGAIN}")
    return found


def pictures(path: Path, names: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
    """The named pictures of the archive, (n, 3, 64, 64), in blocks.

    Raises:
        FmbenchError: it does not hold one of them.
    """
    wish = Wish(SIDE, "center", "rgb")
    try:
        with zipfile.ZipFile(path) as archive:
            for begin in range(0, len(names), BLOCK):
                members = [f"img_align_celeba/{name}" for name in names[begin : begin + BLOCK]]
                faces = [middle(opened_picture(member, archive.read(member)), FACE) for member in members]
                shrunk = [square(member, face, wish) for member, face in zip(members, faces, strict=True)]
                yield np.stack([channels_first(face.convert("RGB")) for face in shrunk])
    except (zipfile.BadZipFile, KeyError) as error:
        raise FmbenchError(f"{path}: does not hold the pictures ({error}); {AGAIN}") from error
