"""Your own pictures: a folder or a zip file of them, however they were saved, as squares of 256 levels."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fmbench.data.base import Dataset
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.errors import FmbenchError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
WIDE = {"I", "I;16", "I;16B", "I;16L"}  # Pillow's modes of grey in more than 8 bits
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Shelf:
    """Pictures by name.

    Args:
        names: of all, in a fixed order.
        facts: what changes when one of them does, as sizes and times.
        read: the bytes of one.
    """

    names: Sequence[str]
    facts: Sequence[object]
    read: Callable[[str], bytes]


@dataclass(frozen=True)
class Wish:
    """How the pictures are to be.

    Args:
        size: of a side; 0 for that which they have.
        crop: "center" for the middle of those that are not square, "none" to refuse them.
        colour: "grey", "rgb", or "auto" for grey where all of them are.
    """

    size: int
    crop: str
    colour: str


def images(*, path: str, size: int, crop: str, colour: str, test_every: int) -> Dataset:
    """The pictures in a folder, however deep, or in a zip file; hidden files and other files are passed over.

    Where its topmost folders are `train` and `test`, they are the splits; else every so manieth picture is held out.

    Args:
        path: of the folder or the file.
        size: of a side, in pixels, to which pictures are shrunk; 0 for pictures that are square and alike.
        crop: "center" or "none".
        colour: "auto", "grey" or "rgb".
        test_every: which pictures are held out, by their order.

    Raises:
        FmbenchError: there are no pictures, or one of them, which is named, is not as it must be.
    """
    wish = Wish(size, crop, colour)
    with opened(Path(path)) as shelf:
        if not shelf.names:
            raise FmbenchError(f"{path}: holds no picture ({', '.join(sorted(SUFFIXES))})")
        said = json.dumps([shelf.names, shelf.facts, size, crop, colour, test_every])

        def make() -> Arrays:
            return laid_out(shelf, wish, test_every)

        return prepared_dataset("images", hashlib.sha256(said.encode()).hexdigest(), make)


@contextmanager
def opened(path: Path) -> Iterator[Shelf]:
    """The pictures of a folder or a zip file.

    Raises:
        FmbenchError: it is neither.
    """
    if path.is_dir():
        files = {str(file.relative_to(path)): file for file in path.rglob("*") if wanted(file.relative_to(path))}
        names = sorted(name for name, file in files.items() if file.is_file())
        stats = [files[name].stat() for name in names]
        facts = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
        yield Shelf(names, facts, lambda name: files[name].read_bytes())
        return
    if not path.exists():
        raise FmbenchError(f"{path}: there is no such folder or zip file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist() if wanted(Path(info.filename))}
            names = sorted(members)
            yield Shelf(names, [(members[name].file_size, members[name].CRC) for name in names], archive.read)
    except (zipfile.BadZipFile, OSError) as error:
        raise FmbenchError(f"{path}: is neither a folder nor a zip file that can be read ({error})") from error


def wanted(path: Path) -> bool:
    """Whether it is a picture by its name."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def laid_out(shelf: Shelf, wish: Wish, test_every: int) -> Arrays:
    """The splits, each (n, channels, side, side).

    Raises:
        FmbenchError: a picture is not as it must be.
    """
    pictures = [square(name, opened_picture(name, shelf.read(name)), wish) for name in shelf.names]
    first = pictures[0]
    for name, picture in zip(shelf.names, pictures, strict=True):
        if picture.size != first.size:
            raise FmbenchError(
                f"{shelf.names[0]} is {by(first)}, and {name} is {by(picture)}: "
                "say data.images.size, to which all are shrunk"
            )
    grey = wish.colour == "grey" or (wish.colour == "auto" and all(picture.mode == "L" for picture in pictures))
    arrays = [channels_first(picture.convert("L" if grey else "RGB")) for picture in pictures]
    chosen: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in SPLITS}
    for array, split in zip(arrays, splits(shelf.names, test_every), strict=True):
        chosen[split].append(array)
    for split, parts in chosen.items():
        if not parts:
            raise FmbenchError(f"{len(shelf.names)} pictures leave none for {split}: give more, or change test_every")
    return {split: [np.stack(parts)] for split, parts in chosen.items()}


def splits(names: Sequence[str], test_every: int) -> list[str]:
    """The split of each picture: the folder that it is in, where all are in one of the two."""
    tops = [Path(name).parts[0] for name in names]
    if set(tops) == set(SPLITS):
        return tops
    return ["test" if place % test_every == test_every - 1 else "train" for place in range(len(names))]


def opened_picture(name: str, content: bytes) -> Image.Image:
    """The picture as it is to be seen: turned as its camera says, in mode "L" or "RGB".

    Raises:
        FmbenchError: it cannot be read, is animated, is transparent in places, or has numbers that are no levels.
    """
    try:
        picture: Image.Image = Image.open(BytesIO(content))
        picture.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FmbenchError(f"{name}: cannot be read as a picture ({' '.join(str(error).split())})") from error
    if getattr(picture, "n_frames", 1) > 1:
        raise FmbenchError(f"{name}: is animated: save the picture that you want of it")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        raise FmbenchError(f"{name}: has floating-point numbers, which are no levels: save it with 8 bits a channel")
    if picture.mode in WIDE:
        return Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    if "A" in picture.mode or "transparency" in picture.info:
        if picture.convert("RGBA").getchannel("A").getextrema() != (255, 255):
            raise FmbenchError(f"{name}: is transparent in places: lay it on a background first")
        picture = picture.convert("L" if picture.mode in {"LA", "L"} else "RGB")
    return picture.convert("L" if picture.mode in {"1", "L"} else "RGB")


def square(name: str, picture: Image.Image, wish: Wish) -> Image.Image:
    """The picture at the size that is asked for.

    Raises:
        FmbenchError: it is not square and must be, or is smaller than that.
    """
    if len(set(picture.size)) > 1 and (wish.crop == "none" or not wish.size):
        raise FmbenchError(f"{name} is {by(picture)}, not square: say data.images.size, and data.images.crop=center")
    if not wish.size:
        return picture
    if min(picture.size) < wish.size:
        raise FmbenchError(f"{name} is {by(picture)}, smaller than data.images.size = {wish.size}")
    inner = middle(picture, min(picture.size))  # before it is shrunk, so that nothing around it counts
    return inner.resize((wish.size, wish.size), Image.Resampling.LANCZOS)


def middle(picture: Image.Image, side: int) -> Image.Image:
    """The square of that side in the middle of a picture."""
    left, top = ((length - side) // 2 for length in picture.size)
    return picture.crop((left, top, left + side, top + side))


def channels_first(picture: Image.Image) -> NDArray[np.uint8]:
    """(channels, height, width)."""
    array = np.asarray(picture, np.uint8)
    return array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)


def by(picture: Image.Image) -> str:
    """Its size in words, width first."""
    return "{} x {}".format(*picture.size)
