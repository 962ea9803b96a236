"""The flow of points in the plane: where they go, along which field, and the density that they come to.

What Figure 4 of Lipman et al. 2023 shows, with two numbers of it; the arrays are kept for pictures and animations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fmbench.errors import SolverError, Unavailable
from fmbench.methods.flow import FlowMethod
from fmbench.metrics.base import Evaluation, Metric, MetricValue
from fmbench.metrics.path_energy import paths_and_energy
from fmbench.solvers.likelihood import LikelihoodSettings

POINTS = 400  # followed from the source, or drawn
FRAMES = 25  # equally spaced in time: t = 0, 1/3, 2/3 and 1 are frames 0, 8, 16 and 24
SHOWN = 8  # frames from one time with a field to the next
FIELD = 16  # arrows along a side of the window
GRID = 64  # cells along a side
DATA = 500  # true points
FAINT = 12.0  # nats below the peak, where a density is as good as none
WIDEST = 6e4  # what float16 can hold
EDGE = 1e-4  # share of the data beyond each edge, before the margin is added
MARGIN = 0.15  # beside the data, in parts of their extent
TOLERANCE = 1e-4  # of the density: a third of the work at 1e-5, and the mass to three decimals

Part = Callable[[Evaluation, "Window"], list[MetricValue]]


class Portrait(Metric):
    """Points, field and density of the learned law in a window around the data, in the data's own coordinates.

    A flow is followed by dopri5 at 1e-5, whatever the sampler; of what is none, samples are drawn. It keeps

    * window: (2, 2), float64, the lowest and the highest value of each coordinate; a square;
    * data: (m, 2), float16, training points;
    * truth: (64, 64), float16, the true log-density at the cells' centres, from the lower left one row by row; where it
      is known;
    * density: likewise, the learned one; where the method has one;
    * points: (25, 400, 2), float16, at equally spaced times from the source to the data; of a method that is no flow
      (1, 400, 2), samples;
    * field: (4, 16, 16, 2), float16, the velocity at t = 0, 1/3, 2/3 and 1 of the interval, a unit of time being all
      of it, at centres as of `truth`; where a flow has no other coordinates than the data's.
    """

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """`straightness` of flows, `inside` of all and `mass` of densities; what cannot be solved says why.

        Raises:
            Unavailable: the data are no points in the plane.
        """
        dataset, spec = evaluation.dataset, evaluation.method_spec
        if dataset.shape != (2,):
            raise Unavailable(f"shows points in the plane, and those of {dataset.name} have shape {dataset.shape}")
        window = Window.around(dataset.train)
        evaluation.keep(window=torch.stack([window.low, window.low + window.side], dim=1))
        evaluation.keep(data=half(dataset.train[:DATA]))
        flows = isinstance(evaluation.method, FlowMethod) and "velocity" in spec.provides
        family = next((name for name in spec.likelihoods if name != "vlb"), "")
        parts: list[tuple[str, Part]] = [("straightness", followed) if flows else ("inside", drawn)]
        parts += [("mass", partial(mass, family=family))] if family else []
        values = []
        evaluation.progress.stage("portrait", len(parts))
        for done, (name, measure) in enumerate(parts):
            try:
                values += measure(evaluation, window)
            except SolverError as error:
                values.append(MetricValue(name, None, reason=str(error)))
            evaluation.progress.update(done + 1)
        return [*values, inside(window, dataset.test, "inside-floor"), *true_mass(evaluation, window)]


@dataclass(frozen=True)
class Window:
    """A square of the plane.

    Args:
        low: (2,), float64, its lower left corner.
        side: its length.
    """

    low: Tensor
    side: float

    @classmethod
    def around(cls, points: Tensor) -> Window:
        """The one that has nearly all of (n, 2) points in it, with a margin."""
        low, high = points.double().quantile(torch.tensor([EDGE, 1 - EDGE], dtype=torch.float64), dim=0)
        side = float((high - low).max()) * (1 + 2 * MARGIN)
        return cls((low + high - side) / 2, side)

    def centres(self, cells: int) -> Tensor:
        """(cells^2, 2), float64: of equal cells, from the lower left one row by row."""
        steps = (torch.arange(cells, dtype=torch.float64) + 0.5) * (self.side / cells)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        return self.low + torch.stack([x, y], dim=-1).reshape(-1, 2)

    def holds(self, points: Tensor) -> Tensor:
        """Which of (n, 2) points are in it; (n,)."""
        return ((points >= self.low) & (points <= self.low + self.side)).all(dim=1)


def followed(evaluation: Evaluation, window: Window) -> list[MetricValue]:
    """Points on their way from the source to the data, and how straight it is.

    S = int_0^1 E |(Z_1 - Z_0) - dZ_s/ds|^2 ds (Liu et al. 2023, section 2), which is 0 where every path is straight and
    of constant speed. As the mean of dZ_s/ds over a path is Z_1 - Z_0, it is the path's energy less |Z_1 - Z_0|^2.

    Raises:
        SolverError: the flow could not be followed.
    """
    method, dataset = evaluation.flow(), evaluation.dataset
    channels = dataset.shape[0]
    times = torch.linspace(*method.interval, FRAMES, dtype=torch.float64).tolist()
    x0 = method.source(POINTS, evaluation.stream("portrait", "source"))
    states, energy = paths_and_energy(method, x0, channels, times)
    states = states[:, :, :channels]
    raw = dataset.transform.decode(states).cpu()
    evaluation.keep(points=half(raw))
    if x0.shape[1:] == dataset.shape:
        evaluation.keep(field=half(torch.stack([field(evaluation, window, t) for t in times[::SHOWN]])))
    moved = (states[-1] - states[0]).square().sum(dim=1)
    excess = energy - moved
    details = {"path_energy": float(energy.mean()), "displacement_squared": float(moved.mean())}
    error = float(excess.std()) / math.sqrt(POINTS)
    straightness = MetricValue("straightness", float(excess.mean()), error, n=POINTS, details=details)
    return [straightness, inside(window, raw[-1])]


def drawn(evaluation: Evaluation, window: Window) -> list[MetricValue]:
    """Samples of a method that is no flow.

    Raises:
        SolverError: one is not finite.
    """
    raw = evaluation.draw(samples=POINTS, batch_size=POINTS).raw
    evaluation.keep(points=half(raw[None]))
    return [inside(window, raw)]


def inside(window: Window, points: Tensor, name: str = "inside") -> MetricValue:
    """The share of (n, 2) points that are in the window."""
    share, n = float(window.holds(points).double().mean()), len(points)
    return MetricValue(name, share, math.sqrt(share * (1 - share) / n), n=n)


def field(evaluation: Evaluation, window: Window, t: float) -> Tensor:
    """The velocity at a time, a unit of time being the whole interval; (FIELD, FIELD, 2), in raw coordinates."""
    method, transform = evaluation.flow(), evaluation.dataset.transform
    x = transform.encode(window.centres(FIELD), evaluation.stream("portrait", "field")).to(evaluation.device)
    with torch.no_grad():
        raw: Tensor = torch.func.jvp(transform.decode, (x,), (method.velocity(t, x),))[1]
    start, end = method.interval
    return raw.reshape(FIELD, FIELD, 2).cpu() * (end - start)


def mass(evaluation: Evaluation, window: Window, *, family: str) -> list[MetricValue]:
    """The learned density's integral over the window, by the midpoint rule; where it says 1, the density is one.

    Raises:
        SolverError: the density could not be solved for.
    """
    transform, generator = evaluation.dataset.transform, evaluation.stream("portrait", "density")
    x = transform.encode(window.centres(GRID), generator).to(evaluation.device)
    density = (
        evaluation.method.log_prob(x, LikelihoodSettings(rtol=TOLERANCE, atol=TOLERANCE), generator)
        .value.detach()
        .cpu()
    )
    log_prob = density + transform.log_jacobian(evaluation.dataset.dimension)
    evaluation.keep(density=faded(log_prob))
    return [MetricValue("mass", integral(log_prob, window), family=family, n=len(log_prob))]


def true_mass(evaluation: Evaluation, window: Window) -> list[MetricValue]:
    """The true density's, with the error that the rule has, where that density is known."""
    density = evaluation.dataset.density
    if density is None:
        return []
    log_prob = density.log_prob(window.centres(GRID))
    evaluation.keep(truth=faded(log_prob))
    return [MetricValue("mass-floor", integral(log_prob, window), n=len(log_prob))]


def integral(log_prob: Tensor, window: Window) -> float:
    """Integrate a density over the window, from its logarithm at the cells' centres."""
    return float(log_prob.exp().sum()) * (window.side / GRID) ** 2


def faded(log_prob: Tensor) -> Tensor:
    """A log-density as a picture, (GRID, GRID): nothing below FAINT nats under its peak, two bytes a number."""
    return half(log_prob.clamp(min=float(log_prob.max()) - FAINT).reshape(GRID, GRID))


def half(values: Tensor) -> Tensor:
    """In two bytes a number."""
    return values.clamp(-WIDEST, WIDEST).to(torch.float16)
