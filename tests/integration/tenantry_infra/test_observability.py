"""Tests of dashboard, alarms, topics and log groups, read back from CloudWatch, SNS and CloudWatch Logs."""

import json
from typing import Any

import pytest

from tests.support.aws.running import ACCOUNT, DeployedEnvironment, Emulator, make_environment_file

IGNORED = {"AWS::CloudWatch::Alarm": ["Metrics"], "AWS::SNS::Topic": ["KmsMasterKeyId"]}
"""Properties that the emulator ignores. tests/unit/tenantry_infra/test_observability.py tests them."""

RELEASE = [{"Name": "Namespace", "Value": "tenantry"}, {"Name": "Release", "Value": "tenantry"}]
CRITICAL = f"arn:aws:sns:us-east-1:{ACCOUNT}:tenantry-prod-critical"
WARNING = f"arn:aws:sns:us-east-1:{ACCOUNT}:tenantry-prod-warning"


@pytest.fixture(scope="module")
def alarms(production: DeployedEnvironment) -> dict[str, Any]:
    """Return the alarms by name, without the environment's."""
    found = production.connect("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    every = found["MetricAlarms"] + found["CompositeAlarms"]
    return {each["AlarmName"].removeprefix("tenantry-prod-"): each for each in every}


def describe(alarm: dict[str, Any]) -> tuple[Any, ...]:
    """Return metric, statistic, comparison, threshold, period, and M of N."""
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    sign = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[alarm["ComparisonOperator"]]
    number = alarm["EvaluationPeriods"]
    return (
        alarm["Namespace"], alarm["MetricName"], statistic, sign, alarm["Threshold"], alarm["Period"],
        alarm.get("DatapointsToAlarm", number), number,
    )  # fmt: skip


def test_the_critical_alarms_have_the_thresholds_of_the_aws_document(alarms: dict[str, Any]) -> None:
    assert describe(alarms["AnswersVerySlow"]) == ("Tenantry", "AnswerTime", "p95", ">", 10, 300, 2, 3)
    assert describe(alarms["ErrorRateHigh"]) == ("Tenantry", "ServerErrorRate", "Average", ">", 5, 300, 2, 3)
    assert describe(alarms["DatabaseCpuHigh"]) == ("AWS/RDS", "CPUUtilization", "Average", ">", 90, 60, 5, 5)
    memory = alarms["MemoryNearLimit"]
    assert (memory["ComparisonOperator"], memory["Threshold"]) == ("GreaterThanThreshold", 95)


def test_the_warnings_have_the_thresholds_of_the_aws_document(alarms: dict[str, Any]) -> None:
    assert describe(alarms["AnswersSlow"]) == ("Tenantry", "AnswerTime", "p95", ">", 6, 300, 2, 3)
    assert describe(alarms["BedrockThrottled"]) == ("Tenantry", "BedrockThrottles", "Sum", ">", 0, 300, 1, 1)
    assert describe(alarms["S3RequestsRefused"]) == ("Tenantry", "S3ClientErrors", "Sum", ">", 3, 900, 1, 1)


def test_an_alarm_watches_its_release_and_its_database(alarms: dict[str, Any]) -> None:
    for alarm in alarms.values():
        if alarm.get("Namespace") == "Tenantry":
            assert alarm["Dimensions"] == RELEASE
        if alarm.get("Namespace") == "AWS/RDS":
            assert alarm["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": "tenantry-prod"}]


def test_one_message_pages_however_many_critical_alarms_fire(alarms: dict[str, Any]) -> None:
    page = alarms["Page"]
    assert (page["AlarmActions"], page["OKActions"]) == ([CRITICAL], [CRITICAL])
    children = ("AnswersVerySlow", "ErrorRateHigh", "DatabaseCpuHigh", "MemoryNearLimit", "MetricsMissing")
    assert (
        page["AlarmRule"].split()
        == " OR ".join(f'ALARM("tenantry-prod-{name}")' for name in children).split()
    )
    for name in children:
        assert (alarms[name]["AlarmActions"], alarms[name]["OKActions"]) == ([], [])


def test_an_isolation_violation_pages_even_while_another_alarm_fires(alarms: dict[str, Any]) -> None:
    violation = alarms["IsolationViolation"]
    assert describe(violation) == ("Tenantry", "IsolationViolations", "Sum", ">", 0, 60, 1, 1)
    assert violation["AlarmActions"] == [CRITICAL]
    assert "IsolationViolation" not in alarms["Page"]["AlarmRule"]


def test_every_other_alarm_sends_a_warning(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        if alarm["AlarmDescription"].startswith("Warning."):
            assert alarm["AlarmActions"] == [WARNING], name


@pytest.mark.parametrize("name", ["critical", "warning"])
def test_only_cloudwatch_publishes_messages(production: DeployedEnvironment, name: str) -> None:
    arn = {"critical": CRITICAL, "warning": WARNING}[name]
    topic = production.connect("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    (statement,) = json.loads(topic["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_cloudwatch_can_use_the_key_of_the_topics(production: DeployedEnvironment) -> None:
    kms = production.connect("kms")
    key = production.get_outputs("keys")["AlarmKeyArn"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    statements = {each["Sid"]: each for each in policy["Statement"]}
    assert statements["EncryptMessages"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert set(statements["EncryptMessages"]["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}


def test_logs_of_the_cluster_end(production: DeployedEnvironment) -> None:
    found = production.connect("logs").describe_log_groups(logGroupNamePrefix="/aws/containerinsights/")
    days = {
        group["logGroupName"].rpartition("/")[2]: group["retentionInDays"] for group in found["logGroups"]
    }
    assert days == {
        "application": 30, "dataplane": 30, "host": 30, "performance": 7, "tenantry": 7,
    }  # fmt: skip


def test_the_dashboard_has_the_six_panels_of_the_aws_document(production: DeployedEnvironment) -> None:
    body = production.connect("cloudwatch").get_dashboard(DashboardName="RAG-System-Health")["DashboardBody"]
    assert [widget["properties"]["title"] for widget in json.loads(body)["widgets"]] == [
        "Response Times", "Error Rates", "Tenant Query Distribution", "Bedrock API Latency",
        "Qdrant Search Performance", "Resource Utilization",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def subscribed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> DeployedEnvironment:
    """Return an environment with subscribers, without a cache, in another account."""
    given = {
        "CriticalEmail": "ops@example.com",
        "CriticalUrl": "https://pager.example.com/1",
        "WarningEmail": "team@example.com",
    }
    other = Emulator(emulator.url, "111122224444")
    file = make_environment_file(
        tmp_path_factory.mktemp("subscribed"),
        "dev",
        other.account,
        observability=given,
        data={"Cache": False},
    )
    status, output = other.run_command("up", str(file))
    assert status == 0, output
    return DeployedEnvironment(other, file, output)


def test_each_severity_has_its_subscribers(subscribed: DeployedEnvironment) -> None:
    found = subscribed.connect("sns").list_subscriptions()["Subscriptions"]
    assert {(each["TopicArn"].rpartition("-")[2], each["Protocol"], each["Endpoint"]) for each in found} == {
        ("critical", "email", "ops@example.com"),
        ("critical", "https", "https://pager.example.com/1"),
        ("warning", "email", "team@example.com"),
    }


def test_without_a_cache_there_is_no_alarm_on_it(
    subscribed: DeployedEnvironment, alarms: dict[str, Any]
) -> None:
    found = subscribed.connect("cloudwatch").describe_alarms()["MetricAlarms"]
    names = {each["AlarmName"].removeprefix("tenantry-dev-") for each in found}
    assert {name for name in alarms if name != "Page"} - names == {"CacheMemoryHigh"}


@pytest.mark.parametrize(
    ("name", "metric", "quiet", "loud"),
    [
        ("ErrorRateHigh", "ServerErrorRate", ([0.0, 100.0], [96, 4]), ([0.0, 100.0], [94, 6])),
        ("AnswersVerySlow", "AnswerTime", ([3.5, 20.0], [95, 5]), ([3.5, 20.0], [94, 6])),
    ],
)
def test_a_critical_alarm_over_its_threshold_pages_in_the_emulator(
    subscribed: DeployedEnvironment,
    name: str,
    metric: str,
    quiet: tuple[list[float], list[int]],
    loud: tuple[list[float], list[int]],
) -> None:
    """The emulator evaluates alarms with one metric, over all periods together, and composite alarms."""
    cloudwatch = subscribed.connect("cloudwatch")
    page = "tenantry-dev-Page"
    cloudwatch.set_alarm_state(AlarmName=f"tenantry-dev-{name}", StateValue="OK", StateReason="test")

    def get_states(values: list[float], counts: list[int]) -> tuple[str, str]:
        datum = {"MetricName": metric, "Dimensions": RELEASE, "Values": values, "Counts": counts}
        cloudwatch.put_metric_data(Namespace="Tenantry", MetricData=[datum])
        found = cloudwatch.describe_alarms(
            AlarmNames=[f"tenantry-dev-{name}", page], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return found["MetricAlarms"][0]["StateValue"], found["CompositeAlarms"][0]["StateValue"]

    values, counts = quiet
    assert get_states(values, counts)[0] == "OK"
    values, counts = loud
    assert get_states(values, [count * 100 for count in counts]) == ("ALARM", "ALARM")
