"""A stranger's metric: how far samples spread, over how far the data do; the nearer to one the better."""

from fmbench.api import Metric, MetricSpec, MetricValue, Number, hookimpl


class Spread(Metric):
    """|log of the ratio of standard deviations|, and what held-out points reach."""

    def measure(self, evaluation):
        """Compare with the test split."""
        data = evaluation.dataset
        wanted = data.test.double().std().log()
        value = float((evaluation.sample_set(0).raw.double().std().log() - wanted).abs())
        floor = float((data.train[: len(data.test)].double().std().log() - wanted).abs())
        return [MetricValue("spread", value), MetricValue("spread-floor", floor), MetricValue("plain", value)]


@hookimpl
def fmbench_metrics():
    spread = Number("spread", "Spread", "nats", decimals=5, better="lower", floor="Training points")
    return [MetricSpec("spreads", f"{__name__}:Spread", "spread of samples", samples=True, numbers=(spread,))]
