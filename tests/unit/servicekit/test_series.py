"""Tests of series that exist before the first event."""

from prometheus_client import CollectorRegistry, Counter
from servicekit.series import create_series


def test_each_combination_of_values_begins_at_zero() -> None:
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls", ("system", "outcome"), registry=registry)
    create_series(counter, ("s3", "redis"), ("busy",))
    for system in ("s3", "redis"):
        assert registry.get_sample_value("calls_total", {"system": system, "outcome": "busy"}) == 0


def test_a_series_that_counts_already_keeps_its_value() -> None:
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls", ("system",), registry=registry)
    counter.labels("s3").inc()
    create_series(counter, ("s3",))
    assert registry.get_sample_value("calls_total", {"system": "s3"}) == 1
