"""Series of metrics that exist before the first event."""

from collections.abc import Iterable
from itertools import product

from prometheus_client.metrics import MetricWrapperBase

__all__ = ["create_series"]


def create_series(metric: MetricWrapperBase, *values: Iterable[str]) -> None:
    """Create the series of each combination of the labels' values; a counter begins at 0.

    Prometheus sees no increase in a series that begins with its first event, so no alert would fire for it.
    """
    for combination in product(*values):
        metric.labels(*combination)
