"""Number of network evaluations a sample, counted at the network."""

from __future__ import annotations

from dataclasses import replace

import torch

from fmbench.methods.base import Method
from fmbench.metrics.base import Evaluation, Metric, MetricValue, over_sets
from fmbench.solvers.nfe import Count, counted
from fmbench.solvers.per_sample import solve_each


class NFE(Metric):
    """Mean over whole batches of calls a sample: rejected steps, corrections and denoising calls included."""

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The mean, with the least and the most of any batch, and what drawing 1000 samples costs."""
        sets = evaluation.samples
        nfe = [value for sample_set in sets for value in sample_set.nfe]
        total, n = Count(), sum(len(sample_set.raw) for sample_set in sets)
        for sample_set in sets:
            total.add(sample_set.counts)
        details = {
            "min": min(nfe),
            "max": max(nfe),
            "calls_a_batch": round(total.calls / len(nfe), 6),
            "steps_accepted_a_batch": total.accepted / len(nfe),
            "steps_rejected_a_batch": total.rejected / len(nfe),
            "batch_size": evaluation.sampler.batch_size,
        }
        cost = [
            MetricValue(
                "sample-seconds",
                1000 * sample_set.seconds / len(sample_set.raw),
                unit="s/1000",
                n=len(sample_set.raw),
                details={"peak_memory_bytes": sample_set.peak_memory_bytes, "device": str(evaluation.device)},
            )
            for sample_set in sets
        ]
        calls = MetricValue("nfe", sum(nfe) / len(nfe), n=n, details=details)
        return [if_counted(calls, evaluation.method), over_sets(cost)]


class PerSampleNFE(Metric):
    """NFE of dopri5 when each sample has its own steps: what the batch's common steps cost, and how samples differ.

    Args:
        samples: how many to solve.
    """

    def __init__(self, *, samples: int) -> None:
        self.samples = samples

    def measure(self, evaluation: Evaluation) -> list[MetricValue]:
        """The mean, with the least and the most of any sample."""
        flow, sampler = evaluation.flow(), evaluation.sampler
        field, x0 = flow.field(self.samples, sampler, evaluation.stream("per-sample"))
        evaluation.progress.stage("NFE of single samples", 1)
        with counted(flow) as count, torch.no_grad():
            field.velocity(field.interval[0], x0)
        _, steps = solve_each(field, x0, sampler.rtol, sampler.atol)
        nfe = count.rows / self.samples * (1 + 6 * steps.double())  # a guided velocity calls the network twice
        details = {"min": float(nfe.min()), "max": float(nfe.max()), "std": float(nfe.std())}
        calls = MetricValue("nfe-per-sample", float(nfe.mean()), n=self.samples, details=details)
        return [if_counted(calls, evaluation.method)]


def if_counted(calls: MetricValue, method: Method) -> MetricValue:
    """A number of network evaluations; missing where it is none, and the method has weights that it must have used."""
    if calls.value or not any(True for _ in method.parameters()):
        return calls
    reason = "no call of a network was counted: build it by task.build_network()"
    return replace(calls, value=None, reason=reason)
