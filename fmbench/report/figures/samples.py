"""Samples of every method, side by side: grids of images, or points in the plane."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.report.figures.kinds import Order
from fmbench.report.figures.select import names_of, runs_of
from fmbench.report.figures.style import COLOURS, SMALL, WIDTH, caption, figure
from fmbench.report.images import visible
from fmbench.store.run import RunDirectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fmbench.data.base import Dataset

SIDE = 8  # images along a side of a grid
GAP = 1  # pixels around each
ACROSS = 6  # methods in a row of the figure
LETTERS = 22  # on a line of a panel's title
POINTS = 2000  # of a set that are drawn


@dataclass(frozen=True)
class Set:
    """One file of samples.

    Args:
        name: of the method and its configuration.
        run: whose.
        file: of images (n, channels, height, width), or of points (n, 2).
    """

    name: str
    run: RunDirectory
    file: Path

    @property
    def sampler(self) -> str:
        """What drew them."""
        return self.file.stem

    def load(self) -> np.ndarray:
        """The samples.

        Raises:
            FmbenchError: the file cannot be read, or holds neither images nor points of the plane.
        """
        try:
            content: np.ndarray = np.load(self.file)
        except (OSError, ValueError, EOFError) as error:
            raise FmbenchError(f"cannot read {self.file}: {error}; evaluate the run again") from error
        if content.ndim != 4 and content.shape[1:] != (2,):
            raise FmbenchError(f"{self.file} has neither images nor points of the plane: nothing to draw")
        return content


def samples(order: Order) -> Figure:
    """The samples of the first seed of every configuration, by each of its samplers.

    Raises:
        FmbenchError: there are none.
    """
    found = sets_of(order)
    down = -(-len(found) // ACROSS)
    side = WIDTH / ACROSS
    usual = Counter(sample_set.sampler for sample_set in found).most_common(1)[0][0]
    with figure(height=down * (side + 0.16) + 0.4, width=side * min(ACROSS, max(len(found), 3))) as picture:
        axes = panels(picture, len(found))
        drawn = [sample_set.load() for sample_set in found]
        for axis, sample_set, content in zip(axes, found, drawn, strict=True):
            draw(axis, content)
            axis.set_title(title(sample_set, usual), fontsize=SMALL, pad=2, parse_math=False)
        if drawn[0].ndim == 2:
            share_limits(axes, drawn)
        caption(picture, *sentences(order, found, usual))
    return picture


def sets_of(order: Order) -> list[Set]:
    """The files of samples of the first seed of each configuration that has any.

    Raises:
        FmbenchError: there are none.
    """
    runs = runs_of(order)
    names = names_of(runs)
    first: dict[Path, list[Set]] = {}
    for run in runs:
        files = sorted(run.samples.glob("*.npy"))
        if files and run.path.parent not in first:
            first[run.path.parent] = [Set(names[run.path.parent], run, file) for file in files]
    found = [sample_set for sets in first.values() for sample_set in sets]
    if not found:
        raise FmbenchError(
            f"no samples of {order.dataset!r} in {str(order.root)!r}: run 'fmbench run --dataset {order.dataset}' first"
        )
    return found


def dataset_of_run(run: RunDirectory, order: Order) -> Dataset:
    """The dataset of a run, as it is here.

    Raises:
        FmbenchError: no plugin here has it, or it cannot be had.
    """
    from fmbench.registry.discovery import load_plugins

    asked = run.request().dataset
    dataset: Dataset = load_plugins(order.plugins).datasets.get(asked.name).load()(**asked.options)
    return dataset


def panels(picture: Figure, n: int) -> list[Axes]:
    """Lay out n axes without frames, ACROSS in a row; those that the last row lacks stay empty."""
    across = min(ACROSS, n)
    grid = picture.subplots(-(-n // across), across, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    return list(grid.flat[:n])


def title(sample_set: Set, usual: str) -> str:
    """What made the samples; the sampler only where it is not the usual one."""
    name = textwrap.fill(sample_set.name, LETTERS)
    return name if sample_set.sampler == usual else f"{name}\n{sample_set.sampler}"


def sentences(order: Order, found: Sequence[Set], usual: str) -> Iterable[str]:
    """The caption."""
    yield f"{order.dataset}: samples by {usual} where no other sampler is named."
    seeds = sorted({sample_set.run.seed for sample_set in found})
    yield f"Training seed {seeds[0]}." if len(seeds) == 1 else "Training seeds: the first of each method."


def share_limits(axes: Sequence[Axes], points: Sequence[np.ndarray]) -> None:
    """One scale for all, wide enough for the usual set: stray points and stray methods must not shrink the others."""
    low, high = np.median([np.quantile(part, [1e-3, 1 - 1e-3], axis=0) for part in points], axis=0)
    margin = 0.1 * (high - low)
    for axis in axes:
        axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))


def draw(axis: Axes, content: np.ndarray) -> None:
    """A grid of the first images (n, channels, height, width), or a scatter of the first points (n, 2)."""
    if content.ndim == 2:
        shown = content[:POINTS]
        axis.scatter(shown[:, 0], shown[:, 1], s=1, color=COLOURS[0], linewidths=0, rasterized=True)
        axis.set_aspect("equal")
        return
    show(axis, content[: SIDE * SIDE], SIDE)


def show(axis: Axes, images: np.ndarray, across: int) -> None:
    """Images (n, channels, height, width) in rows of `across`; one channel as ink on paper."""
    images = visible(images)
    n, channels, height, width = images.shape
    rows = -(-n // across)
    board = np.zeros((rows * across, channels, height + 2 * GAP, width + 2 * GAP))
    board[:n, :, GAP:-GAP, GAP:-GAP] = images
    tiles = board.reshape(rows, across, *board.shape[1:]).transpose(0, 3, 1, 4, 2)
    picture = tiles.reshape(rows * board.shape[2], across * board.shape[3], channels)
    axis.imshow(picture / max(picture.max(), 1), cmap="gray_r" if channels == 1 else None, interpolation="nearest")
