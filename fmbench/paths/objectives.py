"""What the network predicts, and how errors at different times are weighted: two separate choices.

On a Gaussian path every quantity of interest is a fixed combination of x1 and x0, so with x_t at hand any one of
velocity, noise, score and data gives all the others. One 2 x 2 rule serves the twelve conversions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from fmbench.paths.gaussian import Coefficients, Path

Quantity = Literal["velocity", "noise", "score", "data"]
QUANTITIES: tuple[str, ...] = get_args(Quantity)

MARGIN = 1e-3
ROUNDING = 1e-12  # cos(pi / 2) is 6e-17

Weight = Callable[[Path, Tensor], Tensor]
"""lambda(path, t): multiplies the squared error of the network's unit-variance output; t and result are (n,)."""


def unit(path: Path, t: Tensor) -> Tensor:
    """1 at every t.

    On the unit-variance output this is weight 1 on the noise (Ho et al. 2020, eq. 14), sigma^2 on the score (Song
    et al. 2021, eq. 7) and, up to a constant, weight 1 on the velocity of the conditional-OT path (Lipman et al.
    2023, eq. 23).
    """
    del path
    return torch.ones_like(t)


def combination(quantity: Quantity, c: Coefficients) -> tuple[Tensor, Tensor]:
    """(a, b) such that the quantity is a x1 + b x0."""
    zero, ones = torch.zeros_like(c.alpha), torch.ones_like(c.alpha)
    if quantity == "velocity":
        return c.d_alpha, c.d_sigma
    if quantity == "data":
        return ones, zero
    if quantity == "noise":
        return zero, ones
    return zero, -1 / c.sigma  # score of the conditional path


def target(quantity: Quantity, c: Coefficients, x0: Tensor, x1: Tensor) -> Tensor:
    """The quantity on the pairs (x0, x1), each (n, ...)."""
    a, b = combination(quantity, c)
    return a * x1 + b * x0


def scale(quantity: Quantity, c: Coefficients, data_rms: float) -> Tensor:
    """Root mean square of the quantity when the data has root mean square `data_rms`."""
    a, b = combination(quantity, c)
    return torch.hypot(a * data_rms, b)


def readable(quantity: Quantity, path: Path) -> tuple[float, float]:
    """The times at which a predicted quantity can be read as the others: their limits stand for those beyond.

    Where alpha = 0 the noise and the score say nothing of x1, and where sigma = 0 the data and the score nothing of
    x0, so that the error of a trained network is multiplied without bound. There they are read MARGIN away.
    """
    ends = torch.tensor([path.t_min, path.t_max], dtype=torch.float64)
    c = path.at(ends)
    blind_to_data = quantity in {"noise", "score"} and float(c.alpha[0]) == 0
    blind_to_noise = quantity in {"data", "score"} and abs(float(c.sigma[1])) < ROUNDING
    return (path.t_min + MARGIN if blind_to_data else -math.inf, path.t_max - MARGIN if blind_to_noise else math.inf)


def convert(value: Tensor, source: Quantity, wanted: Quantity, c: Coefficients, x: Tensor) -> Tensor:
    """Turn one predicted quantity at x_t = x into another; c are the coefficients at t.

    With x = alpha x1 + sigma x0 and value = p1 x1 + p2 x0, any q1 x1 + q2 x0 is a x + b value where
    a = (q1 p2 - q2 p1) / det, b = (alpha q2 - sigma q1) / det, det = alpha p2 - sigma p1.
    The noise and the score are singular sources where alpha = 0 and the data is one where sigma = 0: there x
    carries nothing about the other component. Keep to the times that are `readable`.
    """
    if source == wanted:
        return value
    if source == "score":  # reduced to the noise, so that noise <-> score needs no division by alpha
        value, source = -c.sigma * value, "noise"
    if source == "noise" and wanted in {"noise", "score"}:
        return value if wanted == "noise" else -value / c.sigma
    p1, p2 = combination(source, c)
    q1, q2 = combination(wanted, c)
    det = c.alpha * p2 - c.sigma * p1
    return (q1 * p2 - q2 * p1) / det * x + (c.alpha * q2 - c.sigma * q1) / det * value


@dataclass(frozen=True)
class Estimate:
    """One answer of a network at x_t = x, read as any of the quantities.

    Args:
        value: the predicted quantity, shaped as x.
        quantity: which it is.
        c: the path's coefficients at t.
        x: (n, ...).
    """

    value: Tensor
    quantity: Quantity
    c: Coefficients
    x: Tensor

    def read(self, wanted: Quantity) -> Tensor:
        """The wanted quantity, shaped as x."""
        return convert(self.value, self.quantity, wanted, self.c, self.x)
