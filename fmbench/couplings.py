"""Couplings: how a noise x0 is paired with a data point x1 within a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Coupling(ABC):
    """Pairs the noise of a batch with its data."""

    @abstractmethod
    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(x0, x1), each (n, ...), reordered so that row i of one belongs with row i of the other."""


class Independent(Coupling):
    """x0 and x1 drawn independently, paired as they come: Lipman et al. 2023, eq. 23."""

    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The batch as it is."""
        del generator
        return x0, x1
