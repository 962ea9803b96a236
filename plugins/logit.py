"""The logit that takes data of a bounded interval to the whole line, for flows whose base covers the line."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import softplus

MARGIN = 0.05  # of Dinh et al. 2017, section 4.1: keeps the ends of the interval, where much of the data lies, finite


class Logit:
    """y = logit(margin + (1 - 2 margin) (x - low) / (high - low)), coordinate by coordinate.

    Args:
        bounds: (low, high); None for data without bounds, which pass unchanged.
        margin: share of the unit interval left free at each end.
    """

    def __init__(self, bounds: tuple[float, float] | None, margin: float = MARGIN) -> None:
        self.bounds, self.margin = bounds, margin

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Y, shaped as x, (n, ...), and log |det dy/dx| in nats, (n,)."""
        if self.bounds is None:
            return x, x.new_zeros(len(x))
        low, high = self.bounds
        slope = (1 - 2 * self.margin) / (high - low)
        z = self.margin + slope * (x - low)
        y = z.log() - (-z).log1p()
        # dy/dz = 1 / (z (1 - z)), where z = sigmoid(y) and 1 - z = sigmoid(-y).
        each = softplus(y) + softplus(-y) + math.log(slope)
        return y, each.flatten(1).sum(dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """Invert: x of y, shaped as y; it leaves the bounds by at most margin (high - low) / (1 - 2 margin)."""
        if self.bounds is None:
            return y
        low, high = self.bounds
        return low + (y.sigmoid() - self.margin) * ((high - low) / (1 - 2 * self.margin))
