"""What metric `portrait` kept of runs, read back for pictures; torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.select import names_of, runs_of
from fmbench.store import pictures
from fmbench.store.run import RunDirectory

METRIC = "portrait"
SHAPES: Mapping[str, tuple[int, ...]] = {  # -1 for any
    "window": (2, 2),
    "data": (-1, 2),
    "truth": (-1, -1),
    "density": (-1, -1),
    "points": (-1, -1, 2),
    "field": (4, -1, -1, 2),
}
NEEDED = ("window", "data")


@dataclass(frozen=True)
class Portrait:
    """A run's arrays, float64; see `metrics.portrait.Portrait`.

    Args:
        name: of the method and what tells its configuration apart.
        run: whose.
        window: (2, 2), lowest and highest value of each coordinate.
        data: (m, 2), true points.
        truth: (g, g), the true log-density, where it is known.
        density: (g, g), the learned one, where there is one.
        points: (frames, n, 2) from the source to the data; one frame of what is no flow; None where that failed.
        field: (4, k, k, 2), velocities on the window's grid at t = 0, 1/3, 2/3 and 1, where there are any.
    """

    name: str
    run: RunDirectory
    window: np.ndarray
    data: np.ndarray
    truth: np.ndarray | None = None
    density: np.ndarray | None = None
    points: np.ndarray | None = None
    field: np.ndarray | None = None

    @property
    def flows(self) -> bool:
        """Whether its points come from somewhere."""
        return self.points is not None and len(self.points) > 1

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The limits of the window, as matplotlib's images take it."""
        (left, right), (bottom, top) = self.window.tolist()
        return left, right, bottom, top

    def inside(self, points: np.ndarray) -> float:
        """The share of (n, 2) points that are in the window."""
        low, high = self.window.T
        return float(((points >= low) & (points <= high)).all(axis=1).mean())


def portraits_of(order: Order) -> list[Portrait]:
    """The portraits of the first seed of each configuration asked for, in the order of what is asked.

    Args:
        order: its rows are names, any of which must have a portrait; without rows, those that have one are shown.

    Raises:
        FmbenchError: there are none, a method asked for has none, or a file is damaged.
    """
    runs = runs_of(order)
    names = names_of(runs)
    found: dict[Path, Portrait] = {}
    for run in runs:
        file = file_of(run)
        if file is not None and run.path.parent not in found:
            found[run.path.parent] = load(file, names[run.path.parent], run)
    absent = sorted({run.method for run in runs if run.path.parent not in found})
    if absent and (order.rows or not found):
        whose = ", ".join(absent) if order.rows else "any method"
        raise FmbenchError(
            f"no portrait of {whose} on {order.dataset!r} in {str(order.root)!r}: run 'fmbench eval --dataset "
            f"{order.dataset} --metrics {METRIC}' first (for points in the plane, from their checkpoints)"
        )
    return sorted(found.values(), key=lambda portrait: (place(portrait.run.method, order.rows), portrait.name))


def place(method: str, patterns: Sequence[str]) -> int:
    """The place of the first pattern that a method matches."""
    return next((index for index, pattern in enumerate(patterns) if fnmatchcase(method, pattern)), 0)


def file_of(run: RunDirectory) -> Path | None:
    """The portrait of a run, that of the default evaluation first; None where there is none."""
    default = run.pictures / f"{METRIC}{pictures.SUFFIX}"
    if default.exists():
        return default
    return min(run.pictures.glob(f"{METRIC}-*{pictures.SUFFIX}"), default=None)


def load(file: Path, name: str, run: RunDirectory) -> Portrait:
    """One portrait.

    Raises:
        FmbenchError: the file is damaged, or no portrait.
    """
    arrays = {key: array.astype(float) for key, array in pictures.read(file).items() if key in SHAPES}
    whole = all(fits(array, SHAPES[key]) for key, array in arrays.items())
    if not whole or any(key not in arrays for key in NEEDED):
        raise FmbenchError(f"{file} is no portrait: remove it, and measure again with 'fmbench eval --renew'")
    return Portrait(name, run, **arrays)


def fits(array: np.ndarray, shape: Sequence[int]) -> bool:
    """Whether an array has a shape in which -1 stands for any number but 0, and its numbers are finite."""
    sizes = len(array.shape) == len(shape) and all(
        wanted in (-1, size) and size for size, wanted in zip(array.shape, shape, strict=True)
    )
    return sizes and bool(np.isfinite(array).all())
