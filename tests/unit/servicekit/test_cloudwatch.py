"""Tests of the lines from which CloudWatch makes metrics."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from servicekit import cloudwatch
from servicekit.cloudwatch import (
    CloudWatchMetric,
    Count,
    CurrentValue,
    Duration,
    MetricWriter,
    Share,
    write_metrics,
)

DIMENSIONS = {"Namespace": "tenantry", "Release": "blue"}


class Lines:
    """Lines that a writer has written, parsed."""

    def __init__(self, *metrics: CloudWatchMetric) -> None:
        self.texts: list[str] = []
        self._writer = MetricWriter(metrics, DIMENSIONS, self.texts.append, now=lambda: 1_700_000_000.5)

    def read(self) -> list[dict[str, Any]]:
        self.texts.clear()
        self._writer.write()
        return [json.loads(text) for text in self.texts]


def make_counter(*labels: str) -> Counter:
    return Counter("calls", "Calls", labels, registry=CollectorRegistry())


def make_histogram(*labels: str, buckets: Sequence[float] = (1, 6, 10)) -> Histogram:
    return Histogram("seconds", "Seconds", labels, buckets=buckets, registry=CollectorRegistry())


def test_a_line_names_its_metrics_as_cloudwatch_expects() -> None:
    counter = make_counter()
    lines = Lines(Count("Calls", counter, "Calls"))
    counter.inc(3)
    assert lines.read() == [
        {
            "_aws": {
                "Timestamp": 1_700_000_000_500,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Tenantry",
                        "Dimensions": [["Namespace", "Release"]],
                        "Metrics": [{"Name": "Calls", "Unit": "Count"}],
                    }
                ],
            },
            "Namespace": "tenantry",
            "Release": "blue",
            "Calls": 3.0,
        }
    ]
    (text,) = lines.texts
    # Fluent Bit recognizes the lines by their beginning.
    assert text.startswith('{"_aws":')
    assert text.endswith("}\n")
    assert text.count("\n") == 1


def test_a_line_counts_since_the_line_before_and_says_0_when_nothing_happened() -> None:
    counter = make_counter()
    counter.inc(7)  # before the writer starts
    lines = Lines(Count("Calls", counter, "Calls"))
    assert lines.read()[0]["Calls"] == 0
    counter.inc(2)
    assert lines.read()[0]["Calls"] == 2
    assert lines.read()[0]["Calls"] == 0


def test_only_the_series_with_matching_labels_count() -> None:
    counter = make_counter("system", "outcome")
    lines = Lines(Count("Calls", counter, "Calls", {"system": "s3|sts", "outcome": "busy"}))
    for system, outcome in (("s3", "busy"), ("sts", "busy"), ("s3", "ok"), ("s33", "busy")):
        counter.labels(system, outcome).inc()
    assert lines.read()[0]["Calls"] == 2


def test_durations_become_a_distribution_that_is_exact_at_the_bounds_of_buckets() -> None:
    histogram = make_histogram("route")
    lines = Lines(Duration("Time", histogram, "Time", {"route": "/v1/.*"}))
    for seconds in (0.5, 5.9, 6.1, 9.9, 10.1, 300):
        histogram.labels("/v1/answers").observe(seconds)
    histogram.labels("/healthz").observe(0.1)
    value = lines.read()[0]["Time"]
    assert dict(zip(value["Values"], value["Counts"], strict=True)) == {0.5: 1, 3.5: 1, 8.0: 2, 10.0: 2}
    assert (value["Min"], value["Max"], value["Count"]) == (0.5, 10, 6)
    assert value["Sum"] == pytest.approx(332.5)


def test_a_duration_above_a_bound_is_above_it_in_cloudwatch() -> None:
    """An alarm on *more than ten seconds* fires for 10.1 seconds."""
    histogram = make_histogram(buckets=(10, 30))
    lines = Lines(Duration("Time", histogram, "Time"))
    histogram.observe(10.1)
    assert min(lines.read()[0]["Time"]["Values"]) > 10


def test_a_minute_without_durations_has_no_value() -> None:
    histogram, counter = make_histogram(), make_counter()
    lines = Lines(Duration("Time", histogram, "Time"), Count("Calls", counter, "Calls"))
    (line,) = lines.read()
    assert "Time" not in line
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Calls", "Unit": "Count"}]
    # CloudWatch rejects a line without metrics.
    assert Lines(Duration("Time", histogram, "Time")).read() == []


def test_the_average_of_a_share_over_pods_and_minutes_is_exact() -> None:
    values = []
    for failed, served in ((1, 1), (0, 98)):
        histogram = make_histogram("status")
        lines = Lines(Share("Errors", histogram, "Errors", counted={"status": "5xx"}))
        for status, number in (("5xx", failed), ("2xx", served)):
            for _ in range(number):
                histogram.labels(status).observe(1)
        values.append(lines.read()[0]["Errors"])
    assert values[0] == {"Values": [0, 100], "Counts": [1, 1], "Min": 0, "Max": 100, "Count": 2, "Sum": 100}
    assert sum(value["Sum"] for value in values) / sum(value["Count"] for value in values) == 1  # percent


def test_a_level_is_the_current_value() -> None:
    gauge = Gauge("legacy", "Legacy", ("model",), registry=CollectorRegistry())
    lines = Lines(CurrentValue("Legacy", gauge, "Legacy"))
    assert lines.read() == []
    gauge.labels("a").set(1)
    gauge.labels("b").set(0)
    assert [lines.read()[0]["Legacy"] for _ in range(2)] == [1, 1]


def test_each_tenant_that_was_counted_has_a_line_with_its_dimension() -> None:
    counter = make_counter("tenant")
    lines = Lines(Count("Answers", counter, "Answers", tenant_label="tenant"))
    counter.labels("acme").inc(2)
    counter.labels("globex").inc(1)
    total, *by_tenant = lines.read()
    assert total["Answers"] == 3
    assert "Tenant" not in total
    assert {line["Tenant"]: line["Answers"] for line in by_tenant} == {"acme": 2, "globex": 1}
    for line in by_tenant:
        assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Namespace", "Release", "Tenant"]]
    # CloudWatch charges for the hours in which a tenant has a value.
    counter.labels("acme").inc()
    assert [line.get("Tenant") for line in lines.read()] == [None, "acme"]


def test_without_metrics_by_tenant_there_is_only_the_total() -> None:
    counter = make_counter("tenant")
    lines = Lines(Count("Answers", counter, "Answers", tenant_label="tenant"))
    counter.labels("").inc()
    assert [line["Answers"] for line in lines.read()] == [1]


def test_the_number_of_tenants_is_bounded_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "MAX_TENANTS", 2)
    counter = make_counter("tenant")
    lines = Lines(Count("Answers", counter, "Answers", tenant_label="tenant"))
    for tenant in ("a", "b"):
        counter.labels(tenant).inc()
    assert {line["Tenant"] for line in lines.read()[1:]} == {"a", "b"}
    for tenant in ("b", "c", "d"):
        counter.labels(tenant).inc()
    assert {line["Tenant"]: line["Answers"] for line in lines.read()[1:]} == {"b": 1, "(others)": 2}


def test_a_tenant_that_returns_after_its_deletion_counts_from_0() -> None:
    counter = make_counter("tenant")
    lines = Lines(Count("Answers", counter, "Answers", tenant_label="tenant"))
    counter.labels("acme").inc(5)
    lines.read()
    counter.remove("acme")
    assert lines.read()[0]["Answers"] == 0
    counter.labels("acme").inc(2)
    assert lines.read()[0]["Answers"] == 2


def test_a_line_a_minute_is_written_and_a_last_one_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cloudwatch, "INTERVAL_SECONDS", 0.01)
    counter, deadline = make_counter(), time.monotonic() + 10
    with write_metrics([Count("Calls", counter, "Calls")], DIMENSIONS):
        counter.inc()
        written = ""
        while not written and time.monotonic() < deadline:
            written = capsys.readouterr().out
            time.sleep(0.01)
        monkeypatch.setattr(cloudwatch, "INTERVAL_SECONDS", 60)
        counter.inc()
    lines = (written + capsys.readouterr().out).splitlines()
    assert sum(json.loads(line)["Calls"] for line in lines) == 2


def test_without_dimensions_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    with write_metrics([Count("Calls", make_counter(), "Calls")], {}):
        pass
    assert capsys.readouterr().out == ""
