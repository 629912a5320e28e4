"""Tests of the queries that decide about new pods, over series of the services' metrics."""

from typing import Any

import pytest

from tests.charts.test_rollouts import ENABLED, PROFILE, list_metrics
from tests.support.charts.monitoring_series import (
    get_pod_name,
    make_constant,
    make_open_webui_responses,
    make_requests,
    make_series,
)
from tests.support.charts.promtool import check_queries
from tests.support.charts.rendering import render

OLD_HASH = "0123456789"
"""Hash of the pods of the former version, which have no series here."""


def build_query(workload: str, metric: str, hash_: str | None = None) -> str:
    """Return a query that has a result if its metric lets new pods fail."""
    release = render(PROFILE, *ENABLED, namespace="chart-test")
    (found,) = [each for each in list_metrics(release, workload) if each["name"] == metric]
    most = found["successCondition"].rpartition("<= ")[2]
    new_hash = get_pod_name(workload).removeprefix(f"demo-{workload}-").rpartition("-")[0]
    query = found["provider"]["prometheus"]["query"].replace("{{args.hash}}", hash_ or new_hash)
    return f"sum({query}) > bool {most}"


CASES = [
    ("gateway", "answers-availability", make_requests(1, "2xx", 90) | make_requests(1, "5xx", 10), True),
    ("gateway", "answers-availability", make_requests(1, "2xx", 99) | make_requests(1, "5xx", 1), False),
    ("gateway", "answers-latency", make_requests(30, "2xx"), True),
    ("gateway", "answers-latency", make_requests(2, "2xx"), False),
    (
        "open-webui",
        "errors",
        make_open_webui_responses("2xx", 90) | make_open_webui_responses("5xx", 10),
        True,
    ),
    (
        "open-webui",
        "errors",
        make_open_webui_responses("2xx", 99) | make_open_webui_responses("5xx", 1),
        False,
    ),
]


@pytest.mark.parametrize(("workload", "metric", "series", "fails"), CASES)
def test_bad_new_pods_fail_and_good_ones_do_not(
    workload: str, metric: str, series: dict[str, Any], fails: bool
) -> None:
    query = build_query(workload, metric)
    check_queries(series, {f"{query} == 1": {"{}"} if fails else set()})


@pytest.mark.parametrize(("workload", "metric", "series", "fails"), [case for case in CASES if case[3]])
def test_pods_of_another_version_decide_nothing(
    workload: str, metric: str, series: dict[str, Any], fails: bool
) -> None:
    assert fails
    check_queries(series, {build_query(workload, metric, OLD_HASH): set()})


@pytest.mark.parametrize(("workload", "metric"), sorted({case[:2] for case in CASES}))
def test_without_requests_there_is_no_result(workload: str, metric: str) -> None:
    check_queries({}, {build_query(workload, metric): set()})


@pytest.mark.parametrize("workload", ["gateway", "open-webui"])
def test_pods_that_prometheus_reads_are_known_without_requests(workload: str) -> None:
    release = render(PROFILE, *ENABLED, namespace="chart-test")
    (metric,) = [each for each in list_metrics(release, workload) if each["name"] == "metrics-of-new-pods"]
    pod = get_pod_name(workload)
    new_hash = pod.removeprefix(f"demo-{workload}-").rpartition("-")[0]
    query = metric["provider"]["prometheus"]["query"]
    up = {value: make_series("up", make_constant(value), job=workload, pod=pod) for value in (0, 1)}
    known = query.replace("{{args.hash}}", new_hash)
    check_queries(up[1], {f"{known} > 0": {"{}"}})
    check_queries(up[0], {f"{known} > 0": set()})
    check_queries(up[1], {query.replace("{{args.hash}}", OLD_HASH): set()})
    check_queries({}, {known: set()})
