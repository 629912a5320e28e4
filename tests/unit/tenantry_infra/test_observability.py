"""Tests of alarms and panels in the template: the metrics that they name, and when they fire."""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from file_sync import cloudwatch as of_file_sync
from gateway import cloudwatch as of_gateway
from gateway.metrics import REQUEST_SECONDS
from servicekit.cloudwatch import NAMESPACE, MetricWriter
from tenantry_infra.stacks import STACKS

from tests.support.aws.alarms import Datum, evaluate_alarm, read_emf
from tests.support.aws.observability import DIMENSIONS, list_alarms, list_named_metrics, list_panels
from tools.version import REPOSITORY

ALARMS = list_alarms()
METRICS = {metric.name for module in (of_gateway, of_file_sync) for metric in module.METRICS}
RUNBOOK = REPOSITORY / "docs" / "runbooks" / "cloudwatch.md"

METRICS_OF_AWS = {
    ("AWS/RDS", "CPUUtilization", ("DBInstanceIdentifier",)),
    ("AWS/RDS", "FreeStorageSpace", ("DBInstanceIdentifier",)),
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", ("CacheClusterId",)),
    ("ContainerInsights", "node_cpu_utilization", ("ClusterName",)),
    ("ContainerInsights", "node_memory_utilization", ("ClusterName",)),
    ("ContainerInsights", "pod_memory_utilization_over_pod_limit", ("ClusterName", "Namespace", "PodName")),
}
"""Metrics of AWS in its documentation: of RDS, of ElastiCache, and of the classic Container Insights."""


def make_data(name: str, minutes: Iterable[int], counts: dict[float, float], **more: str) -> list[Datum]:
    dimensions = tuple(sorted({**DIMENSIONS, **more}.items()))
    return [Datum((NAMESPACE, name, dimensions), minute, counts) for minute in minutes]


def get_state(name: str, *data: list[Datum], now: int = 30) -> str:
    return evaluate_alarm(ALARMS[name], [each for part in data for each in part], now)


def test_every_named_metric_is_written_by_a_service_or_documented_by_aws() -> None:
    named = list_named_metrics()
    own = {metric for metric in named if metric[0] == NAMESPACE}
    assert named - own <= METRICS_OF_AWS
    assert named - own >= METRICS_OF_AWS, "a documented metric that nothing names"
    assert {name for _, name, _ in own} <= METRICS
    by_tenant = {name for _, name, dimensions in own if "Tenant" in dimensions}
    assert by_tenant == {"Answers"}
    assert {dimensions for _, name, dimensions in own if name not in by_tenant} == {("Namespace", "Release")}


def test_a_service_writes_no_metric_that_nothing_needs() -> None:
    """Each costs $0.30 a month."""
    assert {name for namespace, name, _ in list_named_metrics() if namespace == NAMESPACE} == METRICS
    assert len(METRICS) <= 10


def test_thresholds_of_response_times_are_bounds_of_buckets() -> None:
    """Otherwise an alarm would fire for a time below its threshold, or the other way round."""
    (buckets,) = {tuple(REQUEST_SECONDS._upper_bounds)}
    for name in ("AnswersVerySlow", "AnswersSlow"):
        assert ALARMS[name]["Threshold"] in buckets


def test_each_alarm_links_to_a_section_of_the_runbook() -> None:
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)}
    links = {alarm["AlarmDescription"].rpartition("#")[2] for alarm in ALARMS.values()}
    assert links == {name.lower() for name in ALARMS}
    assert links | {"page"} == headings
    for alarm in ALARMS.values():
        assert "https://docs.example.com/runbooks/cloudwatch/#" in alarm["AlarmDescription"]


def test_the_description_begins_with_the_severity() -> None:
    for name, alarm in ALARMS.items():
        assert re.match(r"(Critical|Warning)\. ", alarm["AlarmDescription"]), name


def test_panels_have_a_title_and_the_region() -> None:
    for panel in list_panels().values():
        assert panel["region"] == "us-east-1"


def test_the_window_of_an_alarm_is_at_most_a_day() -> None:
    """CloudWatch refuses longer ones with periods below an hour."""
    for alarm in ALARMS.values():
        assert alarm["EvaluationPeriods"] * alarm.get("Period", 60) <= 86400


def test_messages_are_encrypted_with_a_key_that_cloudwatch_can_use() -> None:
    (stack,) = (stack for stack in STACKS if stack.name == "observability")
    topics = [
        each for each in stack.template.document["Resources"].values() if each["Type"] == "AWS::SNS::Topic"
    ]
    assert len(topics) == 2
    for topic in topics:
        assert topic["Properties"]["KmsMasterKeyId"] == {"Ref": "AlarmKeyArn"}


SLOW = {3.5: 90.0, 20.0: 10.0}
FAST = {3.5: 96.0, 20.0: 4.0}
MEDIUM = {3.5: 90.0, 8.0: 10.0}


@pytest.mark.parametrize(
    ("name", "counts", "minutes", "state"),
    [
        ("AnswersVerySlow", SLOW, range(20, 30), "ALARM"),
        ("AnswersVerySlow", SLOW, range(28, 30), "OK"),  # not sustained
        ("AnswersVerySlow", FAST, range(15, 30), "OK"),  # less than one in twenty
        ("AnswersVerySlow", MEDIUM, range(15, 30), "OK"),
        ("AnswersSlow", MEDIUM, range(15, 30), "ALARM"),
        ("AnswersSlow", {5.5: 100.0}, range(15, 30), "OK"),
        ("AnswersSlow", SLOW, range(28, 30), "OK"),
    ],
)
def test_response_times_fire_when_they_are_slow_for_ten_minutes(
    name: str, counts: dict[float, float], minutes: range, state: str
) -> None:
    assert get_state(name, make_data("AnswerTime", minutes, counts)) == state


@pytest.mark.parametrize(
    ("failed", "minutes", "state"),
    [(6, range(20, 30), "ALARM"), (5, range(15, 30), "OK"), (100, range(28, 30), "OK")],
)
def test_the_error_rate_fires_above_five_percent(failed: int, minutes: range, state: str) -> None:
    data = make_data("ServerErrorRate", minutes, {0.0: 100.0 - failed, 100.0: failed})
    assert get_state("ErrorRateHigh", data) == state


def test_the_error_rate_counts_requests_and_not_minutes_or_pods() -> None:
    """A quiet pod whose only request fails is no error rate of 50 %."""
    busy = make_data("ServerErrorRate", range(15, 30), {0.0: 99.0})
    quiet = make_data("ServerErrorRate", range(15, 30), {100.0: 1.0})
    assert get_state("ErrorRateHigh", busy, quiet) == "OK"


def test_another_release_fires_no_alarm() -> None:
    data = make_data("ServerErrorRate", range(15, 30), {100.0: 50.0}, Release="other")
    assert get_state("ErrorRateHigh", data) == "OK"
    assert (
        get_state("MetricsMissing", make_data("IsolationViolations", range(15, 30), {0.0: 1.0}, Release="b"))
        == "ALARM"
    )


@pytest.mark.parametrize(("percent", "state"), [(91, "ALARM"), (90, "OK")])
def test_the_cpu_of_the_database_fires_after_five_minutes(percent: float, state: str) -> None:
    metric = ("AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", "tenantry-prod"),))
    data = [Datum(metric, minute, {percent: 1.0}) for minute in range(25, 30)]
    assert get_state("DatabaseCpuHigh", data) == state
    assert get_state("DatabaseCpuHigh", data[:4]) != "ALARM"
    assert get_state("DatabaseCpuHigh", []) == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    ("pod", "namespace", "percent", "state"),
    [
        ("tenantry-gateway", "tenantry", 96, "ALARM"),
        ("tenantry-gateway", "tenantry", 95, "OK"),
        ("tenantry-qdrant", "tenantry", 100, "INSUFFICIENT_DATA"),  # page cache
        ("other", "kube-system", 100, "INSUFFICIENT_DATA"),
    ],
)
def test_memory_fires_for_each_pod_of_the_release_but_qdrant(
    pod: str, namespace: str, percent: float, state: str
) -> None:
    dimensions = (("ClusterName", "tenantry-prod"), ("Namespace", namespace), ("PodName", pod))
    metric = ("ContainerInsights", "pod_memory_utilization_over_pod_limit", dimensions)
    data = [Datum(metric, minute, {percent: 1.0}) for minute in range(25, 30)]
    assert get_state("MemoryNearLimit", data) == state


def test_missing_metrics_fire_and_zeros_do_not() -> None:
    zeros = make_data("IsolationViolations", range(10, 30), {0.0: 1.0})
    assert get_state("MetricsMissing", zeros) == "OK"
    assert get_state("MetricsMissing", zeros[:12]) == "OK"
    assert get_state("MetricsMissing", zeros[:10]) == "ALARM"
    assert get_state("MetricsMissing", []) == "ALARM"


def test_the_first_isolation_violation_fires() -> None:
    data = make_data("IsolationViolations", [29], {0.0: 5.0, 1.0: 1.0})
    assert get_state("IsolationViolation", data) == "ALARM"
    assert get_state("IsolationViolation", make_data("IsolationViolations", [29], {0.0: 6.0})) == "OK"


@pytest.mark.parametrize(
    ("name", "metric", "count", "state"),
    [
        ("BedrockThrottled", "BedrockThrottles", 1.0, "ALARM"),
        ("BedrockThrottled", "BedrockThrottles", 0.0, "OK"),
        ("S3RequestsRefused", "S3ClientErrors", 4.0, "ALARM"),
        ("S3RequestsRefused", "S3ClientErrors", 3.0, "OK"),
    ],
)
def test_warnings_fire_above_their_number(name: str, metric: str, count: float, state: str) -> None:
    assert get_state(name, make_data(metric, [28], {count: 1.0})) == state


def test_a_model_to_replace_fires_and_an_unknown_lifecycle_is_no_data() -> None:
    for count, state in ((1.0, "ALARM"), (0.0, "OK")):
        assert (
            get_state("ModelToReplace", make_data("ModelsToReplace", [50, 59], {count: 1.0}), now=60) == state
        )
    assert get_state("ModelToReplace", now=60) == "INSUFFICIENT_DATA"
    assert ALARMS["ModelToReplace"]["InsufficientDataActions"] == ["WarningTopic"]


def test_refused_calls_of_two_services_add_up() -> None:
    data = make_data("S3ClientErrors", [20, 21], {2.0: 1.0})
    assert get_state("S3RequestsRefused", data) == "ALARM"


def test_low_storage_and_a_full_node_of_redis_fire() -> None:
    storage = ("AWS/RDS", "FreeStorageSpace", (("DBInstanceIdentifier", "tenantry-prod"),))
    data = [Datum(storage, minute, {2.0**30: 1.0}) for minute in range(15, 30)]
    assert get_state("DatabaseStorageLow", data) == "ALARM"
    for node, state in (
        ("tenantry-prod-001", "ALARM"),
        ("tenantry-prod-002", "ALARM"),
        ("other-001", "INSUFFICIENT_DATA"),
    ):
        metric = ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", (("CacheClusterId", node),))
        data = [Datum(metric, minute, {81.0: 1.0}) for minute in range(15, 30)]
        assert get_state("CacheMemoryHigh", data) == state


def test_an_alarm_on_the_lines_of_a_gateway_fires() -> None:
    """From an observation of the gateway's histogram to the alarm."""
    lines: list[str] = []
    writer = MetricWriter(of_gateway.METRICS, DIMENSIONS, lines.append)
    data: list[Datum] = []
    for minute in range(15, 30):
        for _ in range(10):
            REQUEST_SECONDS.labels("POST", "/v1/answers", "5xx").observe(12)
        writer.write()
        data += [each for line in lines for each in read_emf(json.loads(line), minute)]
        lines.clear()
    states: dict[str, Any] = {name: evaluate_alarm(alarm, data, 30) for name, alarm in ALARMS.items()}
    assert {name for name, state in states.items() if state == "ALARM"} == {
        "AnswersVerySlow", "AnswersSlow", "ErrorRateHigh",
    }  # fmt: skip
