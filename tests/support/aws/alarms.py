"""Evaluator of alarms in a template, for what the emulator does not evaluate.

It follows CloudWatch's rules for periods, M of N datapoints, missing data, percentiles of distributions and
the maximum of metrics. It knows the part of Metrics Insights' SQL that the templates use.
"""

import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Datum", "evaluate_alarm", "list_metrics", "read_emf"]

COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
QUERY = re.compile(
    r'\s*SELECT (?P<statistic>\w+)\("(?P<metric>\w+)"\)\s+FROM SCHEMA\((?P<schema>[^)]+)\)\s+'
    r"WHERE (?P<conditions>.+?)(?: GROUP BY (?P<group>.+?))?(?: ORDER BY .+)?\s*",
    re.DOTALL,
)
CONDITION = re.compile(r"\"(\w+)\" (=|!=) '([^']*)'")

Dimensions = tuple[tuple[str, str], ...]
Metric = tuple[str, str, Dimensions]


@dataclass(frozen=True)
class Datum:
    """Values of a metric in a minute.

    Parameters
    ----------
    metric
        Namespace, name and sorted dimensions.
    minute
        The minute.
    counts
        Number of each value.
    """

    metric: Metric
    minute: int
    counts: Mapping[float, float]


def read_emf(line: Mapping[str, Any], minute: int) -> list[Datum]:
    """Return the values that CloudWatch makes of a line; fail if a member that the line names is missing."""
    found = []
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Metrics"]
        for names in directive["Dimensions"]:
            dimensions = tuple(sorted((name, line[name]) for name in names))
            for definition in directive["Metrics"]:
                value = line[definition["Name"]]
                counts = (
                    dict(zip(value["Values"], value["Counts"], strict=True))
                    if isinstance(value, dict)
                    else {float(value): 1.0}
                )
                found.append(Datum((directive["Namespace"], definition["Name"], dimensions), minute, counts))
    return found


def list_metrics(alarm: Mapping[str, Any]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return namespace, name and names of dimensions of each metric of an alarm."""
    if "Metrics" not in alarm:
        return [(alarm["Namespace"], alarm["MetricName"], _list_names(alarm["Dimensions"]))]
    found = []
    for each in alarm["Metrics"]:
        if "MetricStat" in each:
            metric = each["MetricStat"]["Metric"]
            found.append((metric["Namespace"], metric["MetricName"], _list_names(metric["Dimensions"])))
        elif query := QUERY.fullmatch(each["Expression"]):
            namespace, *dimensions = (text.strip(' "') for text in query["schema"].split(","))
            found.append((namespace, query["metric"], tuple(sorted(dimensions))))
    return found


def evaluate_alarm(alarm: Mapping[str, Any], data: Iterable[Datum], now: int) -> str:
    """Return the state of an alarm at the end of minute ``now - 1``.

    Parameters
    ----------
    alarm
        Its properties, without functions of CloudFormation.
    data
        Values of metrics. Those of other metrics are ignored.
    now
        The current minute.
    """
    period = _get_period(alarm) // 60
    number = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", number)
    data = list(data)
    windows = [range(now - period * (index + 1), now - period * index) for index in reversed(range(number))]
    points = [_read_point(alarm, [each for each in data if each.minute in window]) for window in windows]
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    missing = {"breaching": True, "notBreaching": False}.get(alarm["TreatMissingData"])
    states = [missing if point is None else compare(point, alarm["Threshold"]) for point in points]
    if all(state is None for state in states):
        return "INSUFFICIENT_DATA"
    return "ALARM" if states.count(True) >= needed else "OK"


def _get_period(alarm: Mapping[str, Any]) -> int:
    if "Metrics" not in alarm:
        return int(alarm["Period"])
    parts = [each for part in alarm["Metrics"] for each in (part, part.get("MetricStat", {}))]
    (period,) = {each["Period"] for each in parts if "Period" in each}
    return int(period)


def _read_point(alarm: Mapping[str, Any], data: Sequence[Datum]) -> float | None:
    if "Metrics" not in alarm:
        metric = (alarm["Namespace"], alarm["MetricName"], _sort(alarm["Dimensions"]))
        return _apply(alarm.get("ExtendedStatistic") or alarm["Statistic"], data, metric)
    points: dict[str, float | None] = {}
    for each in alarm["Metrics"]:
        if "MetricStat" in each:
            given = each["MetricStat"]["Metric"]
            metric = (given["Namespace"], given["MetricName"], _sort(given["Dimensions"]))
            points[each["Id"]] = _apply(each["MetricStat"]["Stat"], data, metric)
    (result,) = (each for each in alarm["Metrics"] if each["ReturnData"])
    if names := re.fullmatch(r"MAX\(\[(.+)\]\)", result["Expression"]):
        found = [points[name.strip()] for name in names[1].split(",")]
        return max((value for value in found if value is not None), default=None)
    return _run_query(result["Expression"], data)


def _run_query(text: str, data: Sequence[Datum]) -> float | None:
    query = QUERY.fullmatch(text)
    assert query, f"not in the part of SQL that the evaluator knows: {text}"
    namespace, *schema = (name.strip(' "') for name in query["schema"].split(","))
    conditions = CONDITION.findall(query["conditions"])
    assert len(conditions) == query["conditions"].count(" AND ") + 1
    assert query["statistic"] == "MAX"
    values = [
        max(each.counts)
        for each in data
        if each.metric[:2] == (namespace, query["metric"])
        and {name for name, _ in each.metric[2]} == set(schema)
        and all((dict(each.metric[2])[name] == value) == (sign == "=") for name, sign, value in conditions)
    ]
    return max(values, default=None)


def _apply(statistic: str, data: Sequence[Datum], metric: Metric) -> float | None:
    counts: dict[float, float] = {}
    for each in data:
        if each.metric == metric:
            for value, count in each.counts.items():
                counts[value] = counts.get(value, 0) + count
    if not counts:
        return None
    total, samples = sum(value * count for value, count in counts.items()), sum(counts.values())
    if statistic.startswith("p"):
        return _find_percentile(counts, float(statistic[1:]))
    found = {
        "Average": total / samples,
        "Sum": total,
        "SampleCount": samples,
        "Maximum": max(counts),
        "Minimum": min(counts),
    }
    return found[statistic]


def _find_percentile(counts: Mapping[float, float], percentile: float) -> float:
    """Return the smallest value that at least ``percentile`` percent of the values do not exceed."""
    rank = math.ceil(sum(counts.values()) * percentile / 100)
    for value in sorted(counts):
        rank -= int(counts[value])
        if rank <= 0:
            return value
    raise AssertionError("unreachable: the ranks end with the last value")


def _list_names(dimensions: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(each["Name"] for each in dimensions))


def _sort(dimensions: Sequence[Mapping[str, str]]) -> Dimensions:
    return tuple(sorted((each["Name"], each["Value"]) for each in dimensions))
