"""Pictures from the store alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fmbench.errors import FmbenchError
from fmbench.store.run import RunDirectory, find_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".pdf", ".png", ".svg")
SIDE = 8  # images along a side of a grid
GAP = 1  # pixels around each
ACROSS = 7  # methods in a row of the figure


def plot_samples(root: Path, dataset: str, output: Path) -> None:
    """Samples of every method on a dataset, side by side: grids of images, or points in the plane.

    Args:
        root: the results directory.
        dataset: whose runs to show.
        output: the file, whose suffix is one of SUFFIXES.

    Raises:
        FmbenchError: there are no samples, or the suffix is another.
    """
    if output.suffix not in SUFFIXES:
        raise FmbenchError(f"--output {str(output)!r}: end it in {', '.join(SUFFIXES)}")
    found = [(title(run, file), np.load(file)) for run in find_runs(root, dataset) for file in sorted_samples(run)]
    if not found:
        raise FmbenchError(f"no samples of {dataset!r} in {str(root)!r}: run 'fmbench run --dataset {dataset}' first")
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "fmbench", "figure.constrained_layout.use": True}):
        across = min(ACROSS, len(found))
        down = -(-len(found) // across)
        figure, grid = plt.subplots(down, across, figsize=(2.4 * across, 2.7 * down), squeeze=False)
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, (name, samples) in zip(grid.flat, found, strict=False):  # the last row may be short
            draw(axis, samples)
            axis.set_title(name, fontsize=9)
        if found[0][1].ndim == 2:
            share_limits(list(grid.flat[: len(found)]), [samples for _, samples in found])
        output.parent.mkdir(parents=True, exist_ok=True)
        # No dates: the same store gives the same bytes.
        figure.savefig(output, dpi=160, metadata={"Date": None} if output.suffix == ".svg" else {})
        plt.close(figure)


def share_limits(axes: list[Axes], points: list[np.ndarray]) -> None:
    """One scale for all, wide enough for nearly all points: a stray one must not shrink its neighbours."""
    low, high = np.quantile(np.concatenate(points), [1e-3, 1 - 1e-3], axis=0)
    margin = 0.1 * (high - low)
    for axis in axes:
        axis.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))


def sorted_samples(run: RunDirectory) -> list[Path]:
    """The sample files of a run, in a fixed order."""
    return sorted(run.samples.glob("*.npy"))


def title(run: RunDirectory, file: Path) -> str:
    """What made the samples."""
    request = run.request()
    return f"{request.method.name}, {file.stem}, seed {request.seed}"


def draw(axis: Axes, samples: np.ndarray) -> None:
    """A grid of images (n, channels, height, width), or a scatter of points (n, 2)."""
    if samples.ndim == 2:
        axis.scatter(samples[:, 0], samples[:, 1], s=3, color="#0072b2")
        axis.set_aspect("equal")
        return
    shown = samples[: SIDE * SIDE]
    _, channels, height, width = shown.shape
    rows = -(-len(shown) // SIDE)
    board = np.zeros((rows * SIDE, channels, height + 2 * GAP, width + 2 * GAP))
    board[: len(shown), :, GAP:-GAP, GAP:-GAP] = shown
    tiles = board.reshape(rows, SIDE, *board.shape[1:]).transpose(0, 3, 1, 4, 2)
    picture = tiles.reshape(rows * board.shape[2], SIDE * board.shape[3], channels)
    axis.imshow(picture / max(picture.max(), 1), cmap="gray_r" if channels == 1 else None, interpolation="nearest")
