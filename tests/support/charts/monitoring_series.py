"""Prometheus series of a healthy and of an unhealthy release, for promtool.

Series of the project's services are built from the metrics in the code. So a test of a rule or panel with an
unknown metric or label fails, because its query returns nothing.
"""

import math
import re
from collections.abc import Mapping

from file_sync import metrics as file_sync
from gateway import metrics as gateway
from prometheus_client.metrics import MetricWrapperBase
from servicekit import certificates, remote
from tenancy import registry
from tenant_operator import metrics as operator

from tests.support.charts.promtool import MINUTES
from tests.support.charts.rendering import RELEASE

__all__ = [
    "ELSEWHERE",
    "HEALTHY",
    "NAMESPACE",
    "get_pod_name",
    "make_autoscaler_series",
    "make_calls",
    "make_constant",
    "make_counter",
    "make_gauge",
    "make_histogram",
    "make_job_series",
    "make_open_webui_connections",
    "make_open_webui_responses",
    "make_qdrant_series",
    "make_requests",
    "make_rising",
    "make_runs",
    "make_series",
    "make_step",
]

NAMESPACE = "chart-test"

SCRAPED = ("tenantry_", "n8n_", "up", "cluster_", "collection")
"""Beginnings of the names of series that Prometheus scrapes from the release's own pods."""

Series = dict[str, str]


def make_constant(value: float) -> str:
    """Return a series of values in promtool's notation: a constant."""
    return f"{value}x{MINUTES}"


def make_rising(a_minute: float) -> str:
    """Return the values of a counter that rises by ``a_minute`` every minute."""
    return f"0+{a_minute}x{MINUTES}"


def make_step(minutes: int, value: float = 1) -> str:
    """Return values that are 0 until the last ``minutes``."""
    return f"0x{MINUTES - minutes} {value}x{minutes}"


def make_series(name: str, values: str, **labels: str) -> Series:
    """Return one series with the label of the release's namespace."""
    given = {"namespace": NAMESPACE} | labels
    if name.startswith(SCRAPED):
        given["release"] = RELEASE
    inside = ", ".join(f'{label}="{value}"' for label, value in sorted(given.items()))
    return {f"{name}{{{inside}}}": values}


def make_counter(metric: MetricWrapperBase, values: str, job: str, **labels: str) -> Series:
    """Return the series of a counter."""
    return make_series(f"{_format_name(metric, labels)}_total", values, **_make_target_labels(job), **labels)


def make_gauge(metric: MetricWrapperBase, values: str, job: str, **labels: str) -> Series:
    """Return the series of a gauge."""
    return make_series(_format_name(metric, labels), values, **_make_target_labels(job), **labels)


def make_histogram(
    metric: MetricWrapperBase, seconds: float, job: str, a_minute: float = 60, **labels: str
) -> Series:
    """Return the series of a histogram whose observations are all ``seconds``."""
    name, target = _format_name(metric, labels), _make_target_labels(job)
    series = make_series(f"{name}_count", make_rising(a_minute), **target, **labels)
    for bound in metric._upper_bounds:  # type: ignore[attr-defined]
        le = "+Inf" if math.isinf(bound) else str(bound)
        values = make_rising(a_minute if seconds <= bound else 0)
        series |= make_series(f"{name}_bucket", values, **target, **labels, le=le)
    return series


def make_requests(seconds: float, status: str, a_minute: float = 60) -> Series:
    """Return the series of requests for answers, with a class of status (``2xx``)."""
    labels = {"method": "POST", "route": "/v1/answers", "status": status}
    return make_histogram(gateway.REQUEST_SECONDS, seconds, "gateway", a_minute, **labels)


def make_calls(target: str, outcome: str, seconds: float = 0.1, a_minute: float = 60) -> Series:
    """Return the series of calls; the target ``file-sync s3 put`` is caller, system and operation."""
    job, system, operation = target.split()
    labels = {"system": system, "operation": operation, "outcome": outcome}
    series = make_histogram(remote.BACKEND_SECONDS, seconds, job, a_minute, **labels)
    if outcome in remote.FAILURE_CLASSES:
        series |= make_counter(remote.FAILURES, make_rising(a_minute), job, system=system, outcome=outcome)
    return series


def make_open_webui_responses(status: str, a_minute: float) -> Series:
    """Return the responses that the guard in front of Open WebUI counts."""
    target = _make_target_labels("open-webui")
    return make_series("tenantry_open_webui_responses_total", make_rising(a_minute), **target, status=status)


def make_open_webui_connections(used: int) -> Series:
    """Return the connections of a pool of 20 that the guard in front of Open WebUI shows."""
    target = _make_target_labels("open-webui") | {"pool": "async"}
    name = "tenantry_open_webui_database_connections"
    return make_series(name, make_constant(used), **target) | make_series(
        f"{name}_limit", make_constant(20), **target
    )


def make_runs(outcome: str, values: str) -> Series:
    """Return runs of file-sync with one outcome."""
    return make_counter(file_sync.SYNCS, values, "file-sync", outcome=outcome)


def make_autoscaler_series(
    autoscaler: str, replicas: int, *, least: int, most: int, sees: bool = True
) -> Series:
    """Return kube-state-metrics' series of an autoscaler; ``sees`` is True if its metric exists."""
    own = {"horizontalpodautoscaler": autoscaler}
    blind = own | {"condition": "ScalingActive", "status": "false"}
    return (
        make_series("kube_horizontalpodautoscaler_status_current_replicas", make_constant(replicas), **own)
        | make_series("kube_horizontalpodautoscaler_spec_min_replicas", make_constant(least), **own)
        | make_series("kube_horizontalpodautoscaler_spec_max_replicas", make_constant(most), **own)
        | make_series("kube_horizontalpodautoscaler_status_condition", make_constant(int(not sees)), **blind)
    )


def get_pod_name(workload: str) -> str:
    """Return the name of the only pod of a workload."""
    return f"{RELEASE}-{workload}-7d9c5b8f6d-x2x9z"


def _format_name(metric: MetricWrapperBase, labels: Mapping[str, str]) -> str:
    (family,) = metric.describe()
    if set(metric._labelnames) != set(labels):
        raise ValueError(f"{family.name} has the labels {metric._labelnames}")
    return family.name


def _make_target_labels(job: str) -> dict[str, str]:
    return {"job": job, "pod": get_pod_name(job)}


def _make_foreign_workload(name: str) -> Series:
    """Return the foreign series about a Deployment, its pod and its autoscaler."""
    pod = {"pod": get_pod_name(name), "container": name}
    return (
        make_series("up", make_constant(1), **_make_target_labels(name))
        | make_series(
            "kube_deployment_status_replicas_available", make_constant(2), deployment=f"{RELEASE}-{name}"
        )
        | make_series("container_memory_working_set_bytes", make_constant(600e6), **pod)
        | make_series("container_memory_rss", make_constant(500e6), **pod)
        | make_series("container_cpu_usage_seconds_total", make_rising(20), **pod)
        | make_series("kube_pod_container_resource_limits", make_constant(1e9), **pod, resource="memory")
        | make_series("kube_pod_container_resource_requests", make_constant(1), **pod, resource="cpu")
        | make_autoscaler_series(f"{RELEASE}-{name}", 2, least=2, most=10)
    )


def make_job_series(job: str, *, failed: bool = False, active: bool = False) -> Series:
    """Return kube-state-metrics' series of a job."""
    return make_series(
        "kube_job_failed", make_constant(int(failed)), job_name=job, condition="true"
    ) | make_series("kube_job_status_active", make_constant(int(active)), job_name=job)


def make_qdrant_series(name: str, value: float, peer: int = 0, **labels: str) -> Series:
    """Return a gauge of one of Qdrant's peers (src/common/metrics in its repository, version 1.19)."""
    return make_series(name, make_constant(value), job="qdrant", pod=f"{RELEASE}-qdrant-{peer}", **labels)


def _make_peer(number: int) -> Series:
    """Return the series of a peer in a cluster of two, and of its pod."""
    pod = {"pod": f"{RELEASE}-qdrant-{number}", "container": "qdrant"}
    return (
        make_qdrant_series("up", 1, number)
        | make_qdrant_series("cluster_peers_total", 2, number)
        | make_qdrant_series("cluster_pending_operations_total", 0, number)
        | make_qdrant_series("cluster_working_state", 1, number, state="working")
        | make_qdrant_series("cluster_working_state", 0, number, state="stopped")
        | make_qdrant_series("collections_total", 1, number)
        | make_qdrant_series("collection_active_replicas_min", 2, number)
        | make_qdrant_series("collection_dead_replicas", 0, number)
        # Mapped files fill the working set up to the limit, which is no fault.
        | make_series("container_memory_working_set_bytes", make_constant(8.5e9), **pod)
        | make_series("container_memory_rss", make_constant(3e9), **pod)
        | make_series("kube_pod_container_resource_limits", make_constant(8.6e9), **pod, resource="memory")
    )


_VOLUME = {"persistentvolumeclaim": f"data-{RELEASE}-qdrant-0"}

HEALTHY: Series = (
    _make_foreign_workload("gateway")
    | _make_foreign_workload("file-sync")
    | _make_foreign_workload("operator")
    | _make_foreign_workload("open-webui")
    | _make_foreign_workload("n8n")
    | _make_foreign_workload("n8n-webhook")
    | _make_foreign_workload("n8n-worker")
    | _make_peer(0)
    | _make_peer(1)
    | make_job_series(f"{RELEASE}-open-webui-migrate-0a1b2c3d")
    | make_series(
        "kube_cronjob_status_last_successful_time", make_constant(0), cronjob=f"{RELEASE}-qdrant-snapshots"
    )
    | make_series("kube_cronjob_created", make_constant(-30 * 86400), cronjob=f"{RELEASE}-qdrant-snapshots")
    | make_series("kube_statefulset_status_replicas_ready", make_constant(2), statefulset=f"{RELEASE}-qdrant")
    | make_series("kubelet_volume_stats_available_bytes", make_constant(60e9), **_VOLUME)
    | make_series("kubelet_volume_stats_capacity_bytes", make_constant(100e9), **_VOLUME)
    | make_series("n8n_scaling_mode_queue_jobs_waiting", make_constant(4), **_make_target_labels("n8n"))
    | make_series("n8n_scaling_mode_queue_jobs_active", make_constant(8), **_make_target_labels("n8n"))
    # One request in a hundred fails, and one in twenty is the caller's mistake.
    | make_requests(2.4, "2xx")
    | make_open_webui_responses("2xx", 300)
    | make_open_webui_responses("5xx", 1)
    | make_open_webui_connections(3)
    | make_counter(remote.WAITING_CALLS, make_rising(1), "gateway", system="qdrant")
    | make_requests(0.01, "4xx", a_minute=3)
    | make_requests(0.2, "5xx", a_minute=0.6)
    | make_histogram(gateway.STAGE_SECONDS, 0.8, "gateway", stage="first_token")
    | make_counter(gateway.ANSWERS, make_rising(30), "gateway", tenant="tenant-tenanta")
    | make_counter(gateway.ANSWERS, make_rising(10), "gateway", tenant="tenant-tenantb")
    | make_counter(gateway.REJECTED, make_constant(7), "gateway", limiter="requests")
    | make_counter(gateway.CROSS_TENANT_HITS, make_constant(0), "gateway")
    | make_counter(gateway.LIMIT_CHECKS_SKIPPED, make_constant(3), "gateway", limit="rate")
    | make_counter(gateway.USAGE_WRITE_FAILURES, make_constant(3), "gateway", record="usage")
    | make_counter(gateway.REPAIRS, make_constant(0), "gateway", outcome="error")
    | make_counter(gateway.REPAIRS, make_rising(1), "gateway", outcome="completed")
    | make_gauge(gateway.MODEL_SERVED, make_constant(1), "gateway", model="some.model")
    | make_calls("gateway bedrock converse", "ok", 1.9)
    | make_calls("gateway bedrock converse", "busy", a_minute=0)
    | make_calls("gateway qdrant search", "ok", 0.02)
    | make_calls("file-sync s3 put", "permanent", a_minute=0.1)
    | make_gauge(certificates.EXPIRY, make_constant(40 * 86400), "gateway", system="qdrant")
    | make_gauge(certificates.EXPIRY, make_constant(29 * 86400), "file-sync", system="postgres")
    | make_counter(registry.FAILURES, make_constant(2), "gateway")
    | make_counter(registry.UNREADABLE, make_constant(0), "gateway")
    | make_gauge(registry.TENANTS, make_constant(2), "file-sync")
    | make_histogram(file_sync.STORE_LAG, 8, "file-sync", a_minute=2)
    | make_histogram(file_sync.READY_LAG, 20, "file-sync", a_minute=2)
    | make_runs("complete", make_rising(1))
    | make_runs("away", make_rising(0.1))
    | make_runs("error", make_constant(0))
    | make_gauge(file_sync.LEADER, make_constant(1), "file-sync")
    | make_gauge(file_sync.HELD_DELETIONS, make_constant(0), "file-sync")
    | make_counter(file_sync.ACTIONS, make_rising(2), "file-sync", action="store", outcome="ok")
    | make_counter(file_sync.ACTIONS, make_constant(0), "file-sync", action="store", outcome="error")
    | make_counter(operator.RECONCILES, make_rising(1), "operator", outcome="ready")
    | make_counter(operator.RECONCILES, make_constant(0), "operator", outcome="error")
)
"""One hour of a healthy release, with series of kube-state-metrics 2, the kubelet and n8n 2.41."""


def move_to_another_namespace(series: Series) -> Series:
    """Return the series of a release with the same name in another namespace."""
    return {
        name.replace(f'namespace="{NAMESPACE}"', 'namespace="another"'): values
        for name, values in series.items()
    }


def move_to_another_release(series: Series) -> Series:
    """Return the series of another release in the namespace; its name begins with this release's name."""
    names = re.compile(rf'"((?:data-|keda-hpa-)?){RELEASE}-')
    return {
        names.sub(rf'"\1{RELEASE}-n8n-', name).replace(
            f'release="{RELEASE}"', f'release="{RELEASE}-n8n"'
        ): values
        for name, values in series.items()
    }


ELSEWHERE = (move_to_another_namespace, move_to_another_release)
"""Functions that return the series of another release in the same Prometheus."""
