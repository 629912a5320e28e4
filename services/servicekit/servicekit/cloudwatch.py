"""Metrics for CloudWatch: a line a minute on the standard output, in the embedded metric format (EMF).

CloudWatch Logs makes metrics of such lines, so a service calls no API of CloudWatch. Each line contains what
the service's Prometheus metrics have counted since the line before. Percentiles are exact at the bounds of
the buckets of a histogram, because each observation is placed in the middle of its bucket.
"""

import json
import re
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from typing_extensions import override

__all__ = [
    "MAX_TENANTS",
    "NAMESPACE",
    "TENANT",
    "CloudWatchMetric",
    "Count",
    "CurrentValue",
    "Duration",
    "MetricWriter",
    "Share",
    "write_metrics",
]

NAMESPACE = "Tenantry"
"""Namespace of the metrics in CloudWatch."""

TENANT = "Tenant"
"""Dimension of the metrics that are split by tenant."""

MAX_TENANTS = 100
"""Maximum number of tenants in the lines of a process. Others are counted together, as :data:`OTHERS`,
because CloudWatch charges for each tenant."""

OTHERS = "(others)"

SUM = "sum"
"""Key of the sum of all durations, next to the bounds of the buckets."""

INTERVAL_SECONDS = 60.0
"""Time between two lines. CloudWatch stores one value a minute."""

Labels = Mapping[str, str]
Totals = dict[Any, float]


def _select(labels: Labels, patterns: Labels) -> bool:
    """Return True if each named label matches its regular expression."""
    return all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in patterns.items())


@dataclass(frozen=True, eq=False)
class CloudWatchMetric(ABC):
    """A metric in CloudWatch, made of a Prometheus metric.

    Parameters
    ----------
    name
        Its name in CloudWatch.
    source
        The Prometheus metric.
    meaning
        Text for people.
    labels
        Regular expressions, by label, of the series that count.
    """

    name: str
    source: MetricWrapperBase
    meaning: str
    labels: Labels = field(default_factory=dict)

    @property
    @abstractmethod
    def unit(self) -> str:
        """Return the unit, as CloudWatch names it."""

    @abstractmethod
    def read(self) -> Totals:
        """Return the totals since the start of the process."""

    @abstractmethod
    def format(self, increase: Totals) -> Any:
        """Return the value in a line, or None if there is nothing to write."""

    def iter_samples(self, suffix: str) -> Iterator[tuple[Labels, float]]:
        """Yield labels and value of the samples whose name ends in ``suffix`` and whose labels match."""
        for family in self.source.collect():
            for sample in family.samples:
                if sample.name == family.name + suffix and _select(sample.labels, self.labels):
                    yield sample.labels, sample.value


@dataclass(frozen=True, eq=False)
class Count(CloudWatchMetric):
    """Number of events, from a counter.

    Parameters
    ----------
    tenant_label
        Label with the tenant, if the counter has one. Then each tenant gets a line, and the total remains.
    """

    source: Counter
    tenant_label: str = ""

    @property
    @override
    def unit(self) -> str:
        return "Count"

    @override
    def read(self) -> Totals:
        totals: Totals = defaultdict(float)
        for labels, value in self.iter_samples("_total"):
            totals[labels.get(self.tenant_label, "")] += value
        return totals

    @override
    def format(self, increase: Totals) -> float:
        return sum(increase.values())


@dataclass(frozen=True, eq=False)
class Duration(CloudWatchMetric):
    """Durations in seconds, from a histogram."""

    source: Histogram

    @property
    @override
    def unit(self) -> str:
        return "Seconds"

    @override
    def read(self) -> Totals:
        totals: Totals = defaultdict(float)
        for labels, value in self.iter_samples("_bucket"):
            totals[float(labels["le"])] += value
        for _, value in self.iter_samples("_sum"):
            totals[SUM] += value
        return totals

    @override
    def format(self, increase: Totals) -> Mapping[str, Any] | None:
        bounds = sorted(key for key in increase if key != SUM)
        counts = {
            _find_middle(lower, upper): increase[upper] - increase.get(lower, 0)
            for lower, upper in pairwise([0.0, *bounds])
        }
        return _format_distribution(counts, increase.get(SUM, 0.0))


@dataclass(frozen=True, eq=False)
class Share(CloudWatchMetric):
    """Share of events in percent, from a histogram. Its average over any time and all pods is exact.

    Each event has the value 100 or 0.

    Parameters
    ----------
    counted
        Regular expressions, by label, of the events whose share is measured.
    """

    source: Histogram
    counted: Labels = field(default_factory=dict)

    @property
    @override
    def unit(self) -> str:
        return "Percent"

    @override
    def read(self) -> Totals:
        totals: Totals = {0.0: 0.0, 100.0: 0.0}
        for labels, value in self.iter_samples("_count"):
            totals[100.0 if _select(labels, self.counted) else 0.0] += value
        return totals

    @override
    def format(self, increase: Totals) -> Mapping[str, Any] | None:
        return _format_distribution(increase, sum(value * count for value, count in increase.items()))


@dataclass(frozen=True, eq=False)
class CurrentValue(CloudWatchMetric):
    """Current value, from a gauge: the sum of its series."""

    source: Gauge

    @property
    @override
    def unit(self) -> str:
        return "Count"

    @override
    def read(self) -> Totals:
        return {}

    @override
    def format(self, increase: Totals) -> float | None:
        values = [value for _, value in self.iter_samples("")]
        return sum(values) if values else None


class MetricWriter:
    """Writes the lines of a process.

    Parameters
    ----------
    metrics
        The metrics.
    dimensions
        Dimensions of each metric, which are the same in all processes of a release.
    write
        Writes a line.
    now
        Clock, in seconds since 1970.
    """

    def __init__(
        self,
        metrics: Sequence[CloudWatchMetric],
        dimensions: Labels,
        write: Callable[[str], object],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._dimensions = dimensions
        self._write = write
        self._now = now
        self._totals = {metric.name: metric.read() for metric in metrics}
        self._tenants: set[str] = set()

    def write(self) -> None:
        """Write what was counted since the last call."""
        increases = {metric.name: self._read_increase(metric) for metric in self._metrics}
        found = {metric: metric.format(increases[metric.name]) for metric in self._metrics}
        if values := {metric: value for metric, value in found.items() if value is not None}:
            self._write_line(values)
        for metric in self._metrics:
            if isinstance(metric, Count) and metric.tenant_label:
                for tenant, count in self._limit_tenants(increases[metric.name]).items():
                    self._write_line({metric: count}, {TENANT: tenant})

    def _read_increase(self, metric: CloudWatchMetric) -> Totals:
        before, now = self._totals[metric.name], metric.read()
        self._totals[metric.name] = now
        # The series of a deleted tenant can return within the interval, and then begins at 0.
        return {key: max(value - before.get(key, 0.0), 0.0) for key, value in now.items()}

    def _limit_tenants(self, increase: Totals) -> dict[str, float]:
        counts: dict[str, float] = {}
        for tenant, count in increase.items():
            if not tenant or not count:
                continue
            if len(self._tenants) < MAX_TENANTS:
                self._tenants.add(tenant)
            name = tenant if tenant in self._tenants else OTHERS
            counts[name] = counts.get(name, 0.0) + count
        return counts

    def _write_line(self, values: Mapping[CloudWatchMetric, Any], more: Labels | None = None) -> None:
        dimensions = {**self._dimensions, **(more or {})}
        definitions = [{"Name": metric.name, "Unit": metric.unit} for metric in values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [[*dimensions]], "Metrics": definitions}
        line = {
            "_aws": {"Timestamp": int(self._now() * 1000), "CloudWatchMetrics": [directive]},
            **dimensions,
            **{metric.name: value for metric, value in values.items()},
        }
        self._write(json.dumps(line, separators=(",", ":")) + "\n")


@contextmanager
def write_metrics(metrics: Sequence[CloudWatchMetric], dimensions: Labels) -> Iterator[None]:
    """Write a line a minute while the block runs, and a last one at its end; without dimensions, none."""
    if not dimensions:
        yield
        return
    writer = MetricWriter(metrics, dimensions, _write_to_stdout)
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(INTERVAL_SECONDS):
            writer.write()

    thread = threading.Thread(target=run, name="cloudwatch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        writer.write()


def _format_distribution(counts: Mapping[float, float], total: float) -> Mapping[str, Any] | None:
    counts = {value: count for value, count in counts.items() if count > 0}
    if not counts:
        return None
    return {
        "Values": [*counts],
        "Counts": [*counts.values()],
        "Min": min(counts),
        "Max": max(counts),
        "Count": sum(counts.values()),
        "Sum": total,
    }


def _find_middle(lower: float, upper: float) -> float:
    """Return the middle of a bucket; of the last one, which has no upper bound, the lower bound."""
    return lower if upper == float("inf") else (lower + upper) / 2


def _write_to_stdout(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
