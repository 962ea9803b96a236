"""What data look like: some of both splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmbench.report.figures.samples import draw, panels, share_limits
from fmbench.report.figures.style import SMALL, WIDTH, caption, figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


def splits(name: str, train: np.ndarray, test: np.ndarray) -> Figure:
    """Points of each split, beside each other.

    Args:
        name: of the dataset.
        train: images (n, channels, height, width), or points (n, d), of which the first two coordinates are drawn.
        test: likewise.
    """
    points = train.ndim == 2
    shown = [split[:, :2].repeat(3 - split[:, :2].shape[1], axis=1) if points else split for split in (train, test)]
    with figure(height=WIDTH / 2 + 0.4) as picture:
        axes = panels(picture, 2)
        for axis, content, split in zip(axes, shown, ("train", "test"), strict=True):
            draw(axis, content)
            axis.set_title(split, fontsize=SMALL, pad=2)
        if points:
            share_limits(axes, shown)
        caption(picture, f"{name}: {'points' if points else 'images'} of each split{seen(train)}.")
    return picture


def seen(content: np.ndarray) -> str:
    """Which of the coordinates are drawn, where it is not plain."""
    if content.ndim != 2 or content.shape[1] == 2:
        return ""
    return ", along the diagonal" if content.shape[1] == 1 else ", by their first two coordinates"
