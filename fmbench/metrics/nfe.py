"""Number of network evaluations a sample, counted at the network."""

from __future__ import annotations

from fmbench.metrics.base import Evaluation, Metric, MetricValue


class NFE(Metric):
    """Mean over whole batches of calls a sample: rejected steps, corrections and denoising calls included."""

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The mean, with the least and the most of any batch."""
        nfe = evaluation.samples.nfe
        details = {"min": min(nfe), "max": max(nfe), "sampling_seconds": round(evaluation.samples.seconds, 3)}
        return [MetricValue("nfe", sum(nfe) / len(nfe), n=len(evaluation.samples.x), details=details)]
