"""Images as people see them, whatever their channels."""

from __future__ import annotations

import numpy as np


def visible(images: np.ndarray) -> np.ndarray:
    """Grey and colour as they are; of other numbers of channels, each in grey beside the next.

    Args:
        images: (n, channels, height, width).

    Returns:
        (n, 1 or 3, height, width), or (n, 1, height, channels * width).

    >>> visible(np.zeros((5, 3, 8, 8))).shape, visible(np.zeros((5, 2, 8, 8))).shape
    ((5, 3, 8, 8), (5, 1, 8, 16))
    """
    n, channels, height, width = images.shape
    if channels in (1, 3):
        return images
    return images.transpose(0, 2, 1, 3).reshape(n, 1, height, channels * width)
