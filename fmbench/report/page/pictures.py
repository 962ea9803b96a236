"""Samples as the page shows them: images as one small PNG a row, points as quantised coordinates."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.images import visible

ACROSS = 8  # images along a side of a board, at most
SIDE = 168  # pixels of a board, about
GAP = 1
BYTES = 4_000_000  # that the boards, or the points, of one dataset may take
POINTS = 1000  # of a scatter, at most
MOVING = 250  # points on their way, at most
LEVELS = 65_535  # of a quantised coordinate
STRAY = 1e-3  # share of points on either side that the frame need not hold


@dataclass(frozen=True)
class Board:
    """Images side by side.

    Args:
        uri: the PNG.
        width: in pixels of the images.
        height: likewise.
        ink: whether it is dark ink on white, and so may be inverted where the page is dark.
    """

    uri: str
    width: int
    height: int
    ink: bool


@dataclass(frozen=True)
class Frame:
    """The part of the plane that the pictures of a dataset show: its least and greatest coordinates."""

    low: tuple[float, float]
    high: tuple[float, float]


@dataclass(frozen=True)
class Points:
    """Points of the plane, or frames of moving ones.

    Args:
        coordinates: base64 of little-endian 16-bit x, y, x, y, ..., from 0 a frame's side below the frame to 65535 a
            side above it, as points on their way may leave it; one frame of time after the other.
        frames: of time.
        count: points in each.
    """

    coordinates: str
    frames: int
    count: int


def load(path: Path) -> np.ndarray:
    """An array of a file.

    Raises:
        FmbenchError: it is none.
    """
    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FmbenchError(f"cannot read {path} ({error}): move it away, and the page leaves it out") from error
    return array


def kind_of(samples: np.ndarray) -> Literal["image", "points", ""]:
    """What the samples can be shown as; "" for neither."""
    if samples.ndim == 4:
        return "image"
    return "points" if samples.ndim == 2 and samples.shape[1] == 2 else ""


def boards(samples: Mapping[int, np.ndarray]) -> dict[int, Board]:
    """A board for each set of images (n, channels, height, width), all of one size and one scale of grey.

    Large stores get fewer images on a board.
    """
    if not samples:
        return {}
    samples = {key: visible(images) for key, images in samples.items()}
    shapes = [images.shape for images in samples.values()]
    channels, height, width = shapes[0][1:]
    room = math.sqrt(BYTES / len(samples) / (channels * (height + GAP) * (width + GAP)))
    across = max(2, min(ACROSS, SIDE // (width + GAP), int(room)))
    top = max(1.0, *(float(images.max(initial=0)) for images in samples.values()))
    return {key: board(images, across, top) for key, images in samples.items()}


def board(images: np.ndarray, across: int, top: float) -> Board:
    """One board: a single channel as dark ink on white, as in the figures."""
    from PIL import Image

    shown = images[: across * across]
    _, channels, height, width = shown.shape
    ink = channels == 1
    grid = np.zeros((across * across, channels, height + GAP, width + GAP))
    grid[: len(shown), :, :height, :width] = shown
    tiles = grid.reshape(across, across, *grid.shape[1:]).transpose(0, 3, 1, 4, 2)
    picture = tiles.reshape(across * (height + GAP), across * (width + GAP), channels)[:-GAP, :-GAP]
    levels = np.clip(np.rint(255 * picture / top), 0, 255).astype(np.uint8)
    pixels = 255 - levels[..., 0] if ink else levels
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    return Board(uri, pixels.shape[1], pixels.shape[0], ink)


def frame_of(clouds: Sequence[np.ndarray]) -> Frame:
    """A square frame for all of them, wide enough for nearly all points: a stray one must not shrink its neighbours."""
    finite = np.concatenate([cloud[np.isfinite(cloud).all(1)] for cloud in clouds])
    low, high = np.quantile(finite, [STRAY, 1 - STRAY], axis=0) if len(finite) else (np.zeros(2), np.ones(2))
    middle, half = (low + high) / 2, max(float((high - low).max()) * 0.55, 1e-9)
    x, y = (float(coordinate) for coordinate in middle)
    return Frame((x - half, y - half), (x + half, y + half))


def scatter(points: np.ndarray, frame: Frame, rows: int) -> Points:
    """The first points (n, 2); fewer where there are many rows."""
    most = max(100, min(POINTS, BYTES // (6 * rows)))
    return quantised(points[:most][None], frame)


def motion(path: np.ndarray, frame: Frame, rows: int) -> Points:
    """Points on their way, (frames, n, 2); fewer where there are many rows."""
    most = max(60, min(MOVING, BYTES // (6 * rows * len(path))))
    return quantised(path[:, :most], frame)


def quantised(motion: np.ndarray, frame: Frame) -> Points:
    """Points (frames, n, 2) of a frame and of as much on each side; what is beyond stands at the edge of that."""
    motion = motion[:, np.isfinite(motion).all((0, 2))]
    low, high = np.array(frame.low), np.array(frame.high)
    part = ((motion - low) / (high - low) + 1) / 3
    steps = np.clip(np.rint(part * LEVELS), 0, LEVELS).astype("<u2")
    return Points(base64.b64encode(steps.tobytes()).decode(), *motion.shape[:2])
