"""Couplings: how a noise x0 is paired with a data point x1 within a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmbench.errors import SolverError


class Coupling(ABC):
    """Pairs the noise of a batch with its data.

    Data points stay where they are, so that each is used once and keeps its label; only the noise is reordered.
    """

    ahead: ClassVar[bool] = False
    """Whether it costs enough to be solved in a thread while the network trains on the batch before. What it gives must
    then depend on its arguments alone, not on a state of its own or of the process."""

    @abstractmethod
    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(x0, x1), each (n, ...), x0 reordered so that row i of one belongs with row i of the other.

        Raises:
            SolverError: the points have no plan.
        """


class Independent(Coupling):
    """x0 and x1 drawn independently, paired as they come: Lipman et al. 2023, eq. 23."""

    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The batch as it is."""
        del generator
        return x0, x1


@dataclass(frozen=True)
class MinibatchOT(Coupling):
    """The exact optimal-transport plan of the batch under squared distance: Tong et al. 2024, section 3.2.

    Between two equal numbers of equally heavy points the plan is an assignment: a permutation, with nothing to draw.
    (Drawing pairs from the plan with replacement would use 63 % of a batch.)

    Args:
        solver: "assignment", SciPy's shortest augmenting paths, or "emd", POT's network simplex: the same plan, more
            slowly (benchmarks/coupling.py).
    """

    ahead: ClassVar[bool] = True
    solver: Literal["assignment", "emd"] = "assignment"

    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The noise, permuted."""
        del generator
        costs = squared_distances(x0, x1)
        if self.solver == "assignment":
            from scipy.optimize import linear_sum_assignment

            _, image = linear_sum_assignment(nearly_solved(costs))  # of each noise
        else:
            import ot

            image = ot.emd([], [], costs, numItermax=10_000_000, check_marginals=False).argmax(axis=1)
        chosen = np.empty_like(image)
        chosen[image] = np.arange(len(image))
        return x0[torch.from_numpy(chosen).to(x0.device)], x1


def nearly_solved(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs less the potentials of a few Sinkhorn iterations: the same optimal assignment, found several times faster.

    Subtracting a number from a row or a column changes every assignment's cost alike. What is left is close to zero
    along the plan, so that the search for shortest augmenting paths has little to do.
    """
    regularisation = 0.02 * costs.mean()
    kernel = np.exp((costs.min(axis=1, keepdims=True) - costs) / regularisation)
    rows = np.ones(len(costs))
    for _ in range(10):
        columns = 1 / np.maximum(rows @ kernel, np.finfo(float).tiny)
        rows = 1 / np.maximum(kernel @ columns, np.finfo(float).tiny)
    return reduced(costs - regularisation * (np.log(rows)[:, None] + np.log(columns)))


def reduced(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs less the least of each row, and then of each column: every plan's cost changes alike, so plans stay."""
    by_row: NDArray[np.float64] = costs - costs.min(axis=1, keepdims=True)
    by_row -= by_row.min(axis=0, keepdims=True)
    return by_row


@dataclass(frozen=True)
class Sinkhorn(Coupling):
    """The entropic plan of the batch, by POT: each data point draws its noise from its row of the plan.

    Each data point is used once; a noise may be used more than once, as the plan says.

    Args:
        regularisation: epsilon of the entropy; 2 sigma^2 for the Schroedinger bridge of a Brownian motion of
            deviation sigma (Tong et al. 2024, proposition 3.4).
        iterations: at most; a plan that has not converged is refused.
        tolerance: on the marginals.
    """

    ahead: ClassVar[bool] = True
    regularisation: float
    iterations: int = 10_000
    tolerance: float = 1e-4

    def pair(self, x0: Tensor, x1: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The noise, drawn row by row."""
        plan = torch.from_numpy(self.plan(x0, x1)).to(x0.device)
        return x0[torch.multinomial(plan, 1, generator=generator)[:, 0]], x1

    def plan(self, x0: Tensor, x1: Tensor) -> NDArray[np.float64]:
        """The plan, (n, n): rows are data, columns are noise.

        The kernel exp(-cost / epsilon) of the costs themselves is zero in float64 from some 300 dimensions on. Of the
        reduced costs it has a one in each row and column, and POT absorbs scalings that grow large into potentials
        (Schmitzer 2019, algorithm 2): the same plan as in the log domain, thirty times as fast.
        """
        import ot

        costs = reduced(squared_distances(x1, x0))
        plan: NDArray[np.float64]
        with np.errstate(all="ignore"):  # whatever overflows shows in the plan
            plan, log = ot.sinkhorn(
                [],
                [],
                costs,
                self.regularisation,
                method="sinkhorn_stabilized",
                numItermax=self.iterations,
                stopThr=self.tolerance,
                warn=False,
                log=True,
            )
        off = log["err"][-1]
        if not (off <= self.tolerance and np.isfinite(plan).all() and (plan.sum(axis=1) > 0).all()):
            found = f"its marginals are off by {off:.2g}, its weights finite from {plan.min():.2g} to {plan.max():.2g}"
            raise SolverError(f"no plan by Sinkhorn with regularisation {self.regularisation:g}: {found}; raise it")
        return plan


def squared_distances(x: Tensor, y: Tensor) -> NDArray[np.float64]:
    """Between the rows of x and of y, flattened, each (n, ...); (n, n), float64.

    They are taken about the mean of y and in float64: far from the origin, the squares of float32 hide the distances.

    Raises:
        SolverError: one is not finite, or all are equal so that every plan is as good.
    """
    x, y = x.flatten(1).double(), y.flatten(1).double()
    centre = y.mean(dim=0)
    costs: NDArray[np.float64] = torch.cdist(x - centre, y - centre).square().cpu().numpy()
    low, high = costs.min(), costs.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise SolverError("optimal transport: a distance of the batch is not finite (NaN or infinite points)")
    if low == high and len(costs) > 1:
        raise SolverError(
            f"optimal transport: all distances of the batch are {low:g}, so no plan is better than another"
        )
    return costs
