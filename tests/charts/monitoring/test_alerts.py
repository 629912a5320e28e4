"""Tests of the alerting rules on Prometheus' engine: each alert fires only for its cause."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from file_sync import metrics as file_sync
from gateway import metrics as gateway
from servicekit import certificates, loop_lag, remote
from tenancy import registry
from tenant_operator import metrics as operator

from tests.support.charts.burns import BURNS
from tests.support.charts.monitoring_series import (
    ELSEWHERE,
    HEALTHY,
    NAMESPACE,
    get_pod_name,
    make_autoscaler_series,
    make_calls,
    make_constant,
    make_counter,
    make_gauge,
    make_histogram,
    make_job_series,
    make_open_webui_connections,
    make_open_webui_responses,
    make_qdrant_series,
    make_requests,
    make_rising,
    make_runs,
    make_series,
    make_step,
)
from tests.support.charts.promtool import check_queries, check_rules
from tests.support.charts.rendering import MONITORED, RELEASE, Release, render
from tools.chart_schema import CHART

DOCS = "https://docs.example.com"

SEVERITIES_IN_AWS_ARCHITECTURE = {
    "TenantryAnswersVerySlow": "critical",
    "TenantryErrorRateHigh": "critical",
    "TenantryMemoryNearLimit": "critical",
    "TenantryAnswersSlow": "warning",
    "TenantryBedrockThrottled": "warning",
    "TenantryS3RequestsRefused": "warning",
}
"""Alarms of the AWS architecture, except CPU of RDS, which only CloudWatch can measure."""


@dataclass(frozen=True)
class Case:
    """A fault, as series that differ from a healthy release, and the alerts that then fire.

    Attributes
    ----------
    absent
        Pattern of series that the fault removes.
    """

    name: str
    changes: dict[str, str]
    fires: tuple[str, ...]
    absent: str = ""

    def build_series(self) -> dict[str, str]:
        """Return the series of a release with this fault."""
        kept = {
            name: values
            for name, values in HEALTHY.items()
            if not (self.absent and re.match(self.absent, name))
        }
        return kept | self.changes


WAITING = "n8n_scaling_mode_queue_jobs_waiting"
ACTIVE = "n8n_scaling_mode_queue_jobs_active"
FIRING = 'group by (alertname) (ALERTS{alertstate="firing"})'
MAIN = {"job": "n8n", "pod": get_pod_name("n8n")}
GATEWAY_POD = {"pod": get_pod_name("gateway")}

CASES = [
    Case("a healthy release", {}, ()),
    Case("answers take five seconds", make_requests(4.9, "2xx"), ()),
    Case("answers take eight seconds", make_requests(8, "2xx"), ("TenantryAnswersSlow",)),
    Case(
        "answers take twenty seconds",
        make_requests(20, "2xx"),
        ("TenantryAnswersSlow", "TenantryAnswersVerySlow"),
    ),
    Case(
        "uploads take minutes, as they may",
        make_histogram(
            gateway.REQUEST_SECONDS, 50, "gateway", method="POST", route="/v1/documents", status="2xx"
        ),
        (),
    ),
    Case(
        "one request in ten fails with 5xx", make_requests(0.2, "5xx", a_minute=8), ("TenantryErrorRateHigh",)
    ),
    Case("requests fail with 4xx", make_requests(0.01, "4xx", a_minute=50), ()),
    Case(
        "a readiness probe fails",
        make_histogram(gateway.REQUEST_SECONDS, 0.01, "gateway", method="GET", route="/readyz", status="5xx"),
        (),
    ),
    Case(
        "Open WebUI fails to serve a tenth of its requests",
        make_open_webui_responses("5xx", 40),
        ("TenantryOpenWebUIErrorRateHigh",),
    ),
    Case(
        "requests are rejected for overload",
        make_counter(gateway.REJECTED, make_rising(3), "gateway", limiter="requests"),
        ("TenantryGatewayOverloaded",),
    ),
    Case(
        "the event loop of a pod is repeatedly blocked",
        make_histogram(loop_lag.LAG, 2, "gateway", a_minute=1),
        ("TenantryEventLoopBlocked",),
    ),
    Case("the event loop lags slightly", make_histogram(loop_lag.LAG, 0.2, "gateway", a_minute=60), ()),
    Case(
        "a search returned a point of another tenant",
        make_counter(gateway.CROSS_TENANT_HITS, make_step(40), "gateway"),
        ("TenantryCrossTenantHits",),
    ),
    Case(
        "limits are not checked",
        make_counter(gateway.LIMIT_CHECKS_SKIPPED, make_rising(2), "gateway", limit="rate"),
        ("TenantryLimitsNotEnforced",),
    ),
    Case(
        "usage is not stored",
        make_counter(gateway.USAGE_WRITE_FAILURES, make_rising(2), "gateway", record="usage"),
        ("TenantryLimitsNotEnforced",),
    ),
    Case(
        "Keycloak is unavailable",
        make_calls("file-sync keycloak user", "transient"),
        ("TenantryBackendUnavailable",),
    ),
    Case(
        "most calls to Qdrant wait for a connection",
        make_counter(remote.WAITING_CALLS, make_rising(40), "gateway", system="qdrant"),
        ("TenantryConnectionsExhausted",),
    ),
    Case(
        "some calls to Qdrant wait for a connection",
        make_counter(remote.WAITING_CALLS, make_rising(5), "gateway", system="qdrant"),
        (),
    ),
    Case(
        "Open WebUI uses nearly all its connections to the database",
        make_open_webui_connections(19),
        ("TenantryConnectionsExhausted",),
    ),
    Case("Open WebUI uses most of its connections to the database", make_open_webui_connections(16), ()),
    Case(
        "a third of the calls to Bedrock fail",
        make_calls("gateway bedrock converse", "transient", a_minute=30),
        (),
    ),
    Case(
        "Bedrock throttles",
        make_calls("gateway bedrock converse", "busy", a_minute=5),
        ("TenantryBedrockThrottled",),
    ),
    Case(
        "a model is retired",
        make_gauge(gateway.MODEL_SERVED, make_constant(0), "gateway", model="some.model"),
        ("TenantryModelUnavailable",),
    ),
    Case(
        "a model is legacy",
        make_gauge(gateway.MODEL_REPLACEMENT_DUE, make_constant(1), "gateway", model="some.model"),
        ("TenantryModelToReplace",),
    ),
    Case(
        "S3 refuses calls",
        make_calls("file-sync s3 put", "permanent", a_minute=1),
        ("TenantryS3RequestsRefused",),
    ),
    Case(
        "Qdrant's certificate ends in twenty days",
        make_gauge(certificates.EXPIRY, make_constant(20 * 86400), "gateway", system="qdrant"),
        ("TenantryCertificateExpiring",),
    ),
    Case(
        "Postgres' certificate ends in six days",
        make_gauge(certificates.EXPIRY, make_constant(6 * 86400), "file-sync", system="postgres"),
        ("TenantryCertificateExpiring", "TenantryCertificateNearlyExpired"),
    ),
    Case(
        "Redis' certificate has expired",
        make_gauge(certificates.EXPIRY, make_constant(-60), "gateway", system="redis"),
        ("TenantryCertificateExpiring", "TenantryCertificateNearlyExpired"),
    ),
    Case(
        "the Kubernetes API is unavailable",
        make_counter(registry.FAILURES, make_rising(1), "gateway"),
        ("TenantryTenantWatchFailing",),
    ),
    Case(
        "two Tenants claim one address",
        make_counter(operator.RECONCILES, make_rising(0.2), "operator", outcome="stalled"),
        ("TenantryTenantStalled",),
    ),
    Case(
        "a stalled Tenant was fixed an hour ago",
        make_counter(operator.RECONCILES, make_constant(4), "operator", outcome="stalled"),
        (),
    ),
    Case(
        "files are stored after twenty minutes",
        make_histogram(file_sync.STORE_LAG, 1200, "file-sync", a_minute=2),
        ("TenantryStoreLagHigh",),
    ),
    Case(
        "the backends of file-sync are unavailable",
        make_runs("complete", make_constant(40)) | make_runs("away", make_rising(5)),
        ("TenantryFileSyncStuck",),
    ),
    Case(
        "no Tenants exist",
        make_runs("complete", make_constant(0)) | make_gauge(registry.TENANTS, make_constant(0), "file-sync"),
        (),
    ),
    Case(
        "no replica of file-sync is leader",
        make_gauge(file_sync.LEADER, make_constant(0), "file-sync"),
        ("TenantryFileSyncLeaderMismatch",),
    ),
    Case(
        "deletions are held",
        make_gauge(file_sync.HELD_DELETIONS, make_constant(30), "file-sync"),
        ("TenantryDeletionsHeld",),
    ),
    Case(
        "no worker processes jobs", make_series(ACTIVE, make_constant(0), **MAIN), ("TenantryN8nQueueStuck",)
    ),
    Case(
        "the queue is empty",
        make_series(ACTIVE, make_constant(0), **MAIN) | make_series(WAITING, make_constant(0), **MAIN),
        (),
    ),
    Case(
        "a repair fails, the first time",
        make_counter(gateway.REPAIRS, make_step(20), "gateway", outcome="error"),
        ("TenantryInternalErrors",),
    ),
    Case(
        "an action fails, the first time",
        make_counter(file_sync.ACTIONS, make_step(20), "file-sync", action="store", outcome="error"),
        ("TenantryInternalErrors",),
    ),
    Case(
        "a sync fails, the first time",
        make_runs("error", make_step(20)),
        ("TenantryInternalErrors",),
    ),
    Case(
        "a reconcile fails, the first time",
        make_counter(operator.RECONCILES, make_step(20), "operator", outcome="error"),
        ("TenantryInternalErrors",),
    ),
    Case(
        "a Tenant of an unknown version",
        make_counter(registry.UNREADABLE, make_step(20), "gateway"),
        ("TenantryTenantUnreadable",),
    ),
    Case(
        "no gateway is ready",
        make_series(
            "kube_deployment_status_replicas_available", make_constant(0), deployment=f"{RELEASE}-gateway"
        ),
        ("TenantryWorkloadDown",),
    ),
    Case(
        "no Qdrant is ready",
        make_series(
            "kube_statefulset_status_replicas_ready", make_constant(0), statefulset=f"{RELEASE}-qdrant"
        ),
        ("TenantryWorkloadDown",),
    ),
    Case(
        "a Deployment of another release is down",
        make_series("kube_deployment_status_replicas_available", make_constant(0), deployment="another"),
        (),
    ),
    Case(
        "a pod cannot be scraped",
        make_series("up", make_constant(0), job="gateway", **GATEWAY_POD),
        ("TenantryTargetDown",),
    ),
    Case(
        "memory is near its limit",
        make_series(
            "container_memory_working_set_bytes", make_constant(980e6), container="gateway", **GATEWAY_POD
        ),
        ("TenantryMemoryNearLimit",),
    ),
    Case(
        "the workers' autoscaler is at its maximum",
        make_autoscaler_series(f"{RELEASE}-n8n-worker", 10, least=2, most=10),
        ("TenantryHpaMaxedOut",),
    ),
    Case(
        "the workers' KEDA autoscaler is at its maximum",
        make_autoscaler_series(f"keda-hpa-{RELEASE}-n8n-worker", 20, least=2, most=20),
        ("TenantryHpaMaxedOut",),
    ),
    Case(
        "the minimum of an autoscaler is its maximum",
        make_autoscaler_series(f"{RELEASE}-qdrant", 1, least=1, most=1),
        (),
    ),
    Case(
        "the metric of the queue is unavailable",
        make_autoscaler_series(f"{RELEASE}-n8n-worker", 2, least=2, most=10, sees=False),
        ("TenantryHpaMetricUnavailable",),
    ),
    Case(
        "Qdrant's disk is nearly full",
        make_series(
            "kubelet_volume_stats_available_bytes",
            make_constant(9e9),
            persistentvolumeclaim=f"data-{RELEASE}-qdrant-0",
        ),
        ("TenantryVolumeFillingUp",),
    ),
    Case(
        "Qdrant's disk is full",
        make_series(
            "kubelet_volume_stats_available_bytes",
            make_constant(2e9),
            persistentvolumeclaim=f"data-{RELEASE}-qdrant-0",
        ),
        ("TenantryVolumeFillingUp", "TenantryVolumeNearlyFull"),
    ),
    Case("no gateway was ever scraped", {}, ("TenantryTargetMissing",), absent=r'up{job="gateway"'),
    Case("no worker of n8n was ever scraped", {}, ("TenantryTargetMissing",), absent=r'up{job="n8n-worker"'),
    Case(
        "kube-state-metrics is not scraped",
        {},
        ("TenantryClusterMetricsMissing",),
        absent="kube_",
    ),
    Case("the kubelet is not scraped", {}, ("TenantryClusterMetricsMissing",), absent="container_|kubelet_"),
    Case(
        "a migration failed",
        make_job_series(f"{RELEASE}-open-webui-migrate-0a1b2c3d", failed=True),
        ("TenantryJobFailed",),
    ),
    Case(
        "a backup of Qdrant failed",
        make_job_series(f"{RELEASE}-qdrant-snapshots-29384756", failed=True),
        ("TenantryJobFailed",),
    ),
    Case(
        "no backup of Qdrant was completed for nine days",
        make_series(
            "kube_cronjob_status_last_successful_time",
            make_constant(-9 * 86400),
            cronjob=f"{RELEASE}-qdrant-snapshots",
        ),
        ("TenantrySnapshotsOld",),
    ),
    Case(
        "no backup of Qdrant was ever completed",
        make_series("kube_cronjob_created", make_constant(-9 * 86400), cronjob=f"{RELEASE}-qdrant-snapshots"),
        ("TenantrySnapshotsOld",),
        absent="kube_cronjob_status_last_successful_time",
    ),
    Case(
        "the pod of a job cannot start",
        make_job_series(f"{RELEASE}-n8n-install", active=True),
        ("TenantryJobStuck",),
    ),
    Case(
        "Qdrant's own memory is near its limit",
        make_series(
            "container_memory_rss", make_constant(8.4e9), container="qdrant", pod=f"{RELEASE}-qdrant-0"
        ),
        ("TenantryMemoryNearLimit",),
    ),
    Case(
        "a shard of Qdrant has no active replica",
        make_qdrant_series("collection_active_replicas_min", 0),
        ("TenantryQdrantShardUnavailable", "TenantryQdrantReplicasMissing"),
    ),
    Case(
        "a replica of Qdrant is dead",
        make_qdrant_series("collection_dead_replicas", 1),
        ("TenantryQdrantReplicasMissing",),
    ),
    Case(
        "a collection was created while one peer ran",
        make_qdrant_series("collection_active_replicas_min", 1),
        ("TenantryQdrantReplicasMissing",),
    ),
    Case(
        "Qdrant has no collection yet",
        {
            name: values
            for peer in (0, 1)
            for gauge in ("collection_active_replicas_min", "collections_total")
            for name, values in make_qdrant_series(gauge, 0, peer).items()
        },
        (),
    ),
    Case(
        "a peer of Qdrant does not come back",
        {},
        ("TenantryQdrantPeerMissing",),
        absent=r'up{job="qdrant".*qdrant-1"',
    ),
    Case(
        "Qdrant's peers do not agree",
        make_qdrant_series("cluster_pending_operations_total", 3),
        ("TenantryQdrantConsensusStuck",),
    ),
    Case(
        "the consensus of a Qdrant peer has stopped",
        make_qdrant_series("cluster_working_state", 1, state="stopped"),
        ("TenantryQdrantConsensusStuck",),
    ),
]


@pytest.fixture(scope="module")
def release() -> Release:
    """A release with monitoring."""
    return render("values-eks-prod.yaml", *MONITORED, "--set", f"monitoring.docsUrl={DOCS}")


@pytest.fixture(scope="module")
def rules(release: Release) -> dict[str, Any]:
    """Rules of the alerts; test_slos.py covers those of the objectives."""
    return dict(release.get("PrometheusRule", "alerts")["spec"])


@pytest.fixture(scope="module")
def all_rules(release: Release) -> dict[str, Any]:
    """Rules of the alerts and of the objectives."""
    found = release.list_objects("PrometheusRule")
    return {"groups": [group for item in found for group in item["spec"]["groups"]]}


def list_alerts(rules: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all alerting rules."""
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def test_promtool_accepts_the_rendered_rules(rules: dict[str, Any]) -> None:
    check_rules(rules)


def test_promtool_accepts_the_file_before_rendering() -> None:
    """Authors of alerts can run promtool without helm."""
    check_rules(yaml.safe_load((CHART / "files/monitoring/alerts.yaml").read_text()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_the_expected_alerts_fire(rules: dict[str, Any], case: Case) -> None:
    fires = {f'{{alertname="{name}"}}' for name in case.fires}
    check_queries(case.build_series(), {FIRING: fires}, rules)


def test_every_alert_has_a_case_in_which_it_fires(all_rules: dict[str, Any]) -> None:
    fire = {name for case in CASES for name in case.fires} | {name for burn in BURNS for name in burn.fires}
    assert {rule["alert"] for rule in list_alerts(all_rules)} == fire


def test_error_counters_exist_at_start_so_that_the_first_error_is_an_increase(rules: dict[str, Any]) -> None:
    (expression,) = [rule["expr"] for rule in list_alerts(rules) if rule["alert"] == "TenantryInternalErrors"]
    program = (
        "import file_sync.metrics, gateway.metrics, tenant_operator.metrics, prometheus_client\n"
        "print(prometheus_client.generate_latest().decode())"
    )
    # A separate process, because other tests may have increased counters in this process.
    at_start = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    names = re.findall(r"tenantry_\w+_total", expression)
    assert len(names) == 4
    for name in names:
        assert re.search(rf'^{name}{{.*outcome="error".*}} 0\.0$', at_start, re.MULTILINE), name


@pytest.mark.parametrize("move", ELSEWHERE, ids=lambda move: move.__name__)
def test_another_release_does_not_fire_alerts_of_this_release(
    rules: dict[str, Any], move: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    faults = {name: values for case in CASES for name, values in case.changes.items()}
    check_queries(HEALTHY | move(faults), {FIRING: set()}, rules)


@pytest.mark.parametrize("move", ELSEWHERE, ids=lambda move: move.__name__)
def test_another_release_does_not_hide_a_missing_series(
    rules: dict[str, Any], move: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    missing = [case for case in CASES if case.absent]
    assert len(missing) >= 4
    for case in missing:
        fires = {f'{{alertname="{name}"}}' for name in case.fires}
        check_queries(move(HEALTHY) | case.build_series(), {FIRING: fires}, rules)


def test_each_rule_names_its_namespace_and_release(all_rules: dict[str, Any]) -> None:
    for rule in (rule for group in all_rules["groups"] for rule in group["rules"]):
        assert (rule["labels"]["namespace"], rule["labels"]["release"]) == (NAMESPACE, RELEASE)


def test_severities_are_those_of_the_aws_architecture(all_rules: dict[str, Any]) -> None:
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in list_alerts(all_rules)}
    assert SEVERITIES_IN_AWS_ARCHITECTURE.items() <= severities.items()
    assert set(severities.values()) == {"critical", "warning"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(all_rules: dict[str, Any]) -> None:
    page = (CHART.parents[1] / "docs" / "runbooks" / "alerts.md").read_text()
    runbooks = set(re.findall(r"^## (Tenantry\w+)$", page, re.MULTILINE))
    assert {rule["alert"] for rule in list_alerts(all_rules)} == runbooks
    for rule in list_alerts(all_rules):
        assert rule["annotations"]["runbook_url"] == f"{DOCS}/runbooks/alerts.html#{rule['alert'].lower()}"
