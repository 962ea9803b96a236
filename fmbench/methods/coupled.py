"""Flows that are learnt from pairs of a point of the source and a point of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from fmbench.methods.base import Batch, Pairs
from fmbench.methods.flow import FlowMethod
from fmbench.paths.couplings import Coupling, Independent


class CoupledMethod(FlowMethod):
    """The ends of a path are paired within a batch."""

    coupling: Coupling = Independent()

    @abstractmethod
    def couple(self, batch: Batch) -> Pairs:
        """Fresh noise, coupled with the points of a batch; all randomness is from the batch's generator."""

    def pairs(self, batch: Batch) -> Pairs:
        """(x0, x1) to interpolate: those that were found ahead, else fresh ones."""
        return batch.pairs or self.couple(batch)

    @property
    def ahead(self) -> Callable[[Batch], Pairs] | None:
        """To couple, where that is costly; a method that pairs in a way of its own does so in its turn."""
        own = type(self).pairs is not CoupledMethod.pairs
        return None if own or not self.coupling.ahead else self.couple
