"""A stranger's metrics of which each breaks one rule of docs/plugins.md; the test says what is to come of each."""

import math

import numpy as np
import torch

from fmbench.api import Metric, MetricSpec, MetricValue, hookimpl


class Raises(Metric):
    """Divides by zero."""

    def measure(self, evaluation):
        """Fail."""
        return [MetricValue("ratio", 1 / 0)]


class Types(Metric):
    """Numbers as NumPy and torch have them, and what is no number."""

    def measure(self, evaluation):
        """Give one of each."""
        return [
            MetricValue("float32", np.float32(0.25), n=np.int64(3), error=torch.tensor(0.5)),
            MetricValue("tensor", torch.tensor(0.5)),
            MetricValue("bool", np.bool_(True)),
            MetricValue("nan", np.float32("nan")),
            MetricValue("infinity", math.inf),
            MetricValue("text", "high"),
            MetricValue("pair", torch.zeros(2)),
            MetricValue("unsure", 1.0, error=math.nan),
            MetricValue(
                "detailed", 2.0, details={"low": math.nan, 3: np.arange(2), "seen": [torch.tensor(1), {4}, object]}
            ),
        ]


class Clash(Metric):
    """A number of fmbench's own name."""

    def measure(self, evaluation):
        """Boast."""
        return [MetricValue("nll", -99.0, unit="nats")]


class Alone(Metric):
    """No list."""

    def measure(self, evaluation):
        """Give the value itself."""
        return MetricValue("alone", 1.0)


class Scales(Metric):
    """Alters the samples where they are."""

    def measure(self, evaluation):
        """Double them."""
        samples = evaluation.samples[0].raw
        samples.numpy()[...] *= 2
        return [MetricValue("spread", float(samples.std()))]


class Trains(Metric):
    """Alters the weights."""

    def measure(self, evaluation):
        """Double them, and leave the method in training mode."""
        evaluation.method.train()
        torch.set_grad_enabled(False)
        for parameter in evaluation.method.parameters():
            parameter.mul_(2)
        return [MetricValue("weights", 1.0)]


class Peeks(Metric):
    """Alters the data."""

    def measure(self, evaluation):
        """Sort them."""
        evaluation.dataset.test.copy_(evaluation.dataset.test.sort(dim=0).values)
        return [MetricValue("sorted", 1.0)]


@hookimpl
def fmbench_metrics():
    """Those that fail, or make others fail."""
    classes = ("Raises", "Types", "Clash", "Alone", "Scales", "Trains", "Peeks")
    return [MetricSpec(name.lower(), f"{__name__}:{name}", default=False) for name in classes]
