"""Prometheus series of a healthy and of an unhealthy release, for promtool.

Series of the project's services are built from the metrics in the code. A rule or panel with an unknown
metric or label finds nothing here.
"""

import math
from collections.abc import Mapping

from file_sync import metrics as file_sync
from gateway import metrics as gateway
from prometheus_client.metrics import MetricWrapperBase
from servicekit import remote
from tenancy import registry
from tenant_operator import metrics as operator

from tests.support.charts.promtool import MINUTES
from tests.support.charts.rendering import RELEASE

__all__ = [
    "HEALTHY",
    "NAMESPACE",
    "called",
    "compared",
    "counted",
    "gauged",
    "observed",
    "pod_of",
    "questioned",
    "rising",
    "scaled",
    "series",
    "since",
    "steady",
]

NAMESPACE = "chart-test"

Series = dict[str, str]


def steady(value: float) -> str:
    """Return constant values."""
    return f"{value}x{MINUTES}"


def rising(a_minute: float) -> str:
    """Return values of a counter that rises steadily."""
    return f"0+{a_minute}x{MINUTES}"


def since(minutes: int, value: float = 1) -> str:
    """Return values that are 0 until the last minutes."""
    return f"0x{MINUTES - minutes} {value}x{minutes}"


def series(name: str, values: str, **labels: str) -> Series:
    """Return one series of the release's namespace."""
    given = {"namespace": NAMESPACE} | labels
    inside = ", ".join(f'{label}="{value}"' for label, value in sorted(given.items()))
    return {f"{name}{{{inside}}}": values}


def counted(metric: MetricWrapperBase, values: str, job: str, **labels: str) -> Series:
    """Return the series of a counter."""
    return series(f"{_name(metric, labels)}_total", values, **_target(job), **labels)


def gauged(metric: MetricWrapperBase, values: str, job: str, **labels: str) -> Series:
    """Return the series of a gauge."""
    return series(_name(metric, labels), values, **_target(job), **labels)


def observed(
    metric: MetricWrapperBase, seconds: float, job: str, a_minute: float = 60, **labels: str
) -> Series:
    """Return the series of a histogram with equal observations."""
    name, target = _name(metric, labels), _target(job)
    found = series(f"{name}_count", rising(a_minute), **target, **labels)
    for bound in metric._upper_bounds:  # type: ignore[attr-defined]
        le = "+Inf" if math.isinf(bound) else str(bound)
        values = rising(a_minute if seconds <= bound else 0)
        found |= series(f"{name}_bucket", values, **target, **labels, le=le)
    return found


def questioned(seconds: float, status: str, a_minute: float = 60) -> Series:
    """Return requests to the gateway for answers with a class of status."""
    labels = {"method": "POST", "route": "/v1/answers", "status": status}
    return observed(gateway.REQUEST_SECONDS, seconds, "gateway", a_minute, **labels)


def called(target: str, outcome: str, seconds: float = 0.1, a_minute: float = 60) -> Series:
    """Return calls of an external system: ``file-sync s3 put`` is caller, system and operation."""
    job, system, operation = target.split()
    labels = {"system": system, "operation": operation, "outcome": outcome}
    return observed(remote.REMOTE_SECONDS, seconds, job, a_minute, **labels)


def compared(outcome: str, values: str) -> Series:
    """Return comparisons of file-sync with one outcome."""
    return counted(file_sync.COMPARISONS, values, "file-sync", outcome=outcome)


def scaled(autoscaler: str, replicas: int, *, least: int, most: int, sees: bool = True) -> Series:
    """Return the series about an autoscaler; ``sees`` is True when its metric exists."""
    own = {"horizontalpodautoscaler": autoscaler}
    blind = own | {"condition": "ScalingActive", "status": "false"}
    return (
        series("kube_horizontalpodautoscaler_status_current_replicas", steady(replicas), **own)
        | series("kube_horizontalpodautoscaler_spec_min_replicas", steady(least), **own)
        | series("kube_horizontalpodautoscaler_spec_max_replicas", steady(most), **own)
        | series("kube_horizontalpodautoscaler_status_condition", steady(int(not sees)), **blind)
    )


def pod_of(workload: str) -> str:
    """Return the name of the only pod of a workload."""
    return f"{RELEASE}-{workload}-7d9c5b8f6d-x2x9z"


def _name(metric: MetricWrapperBase, labels: Mapping[str, str]) -> str:
    (family,) = metric.describe()
    if set(metric._labelnames) != set(labels):
        raise ValueError(f"{family.name} has the labels {metric._labelnames}")
    return family.name


def _target(job: str) -> dict[str, str]:
    return {"job": job, "pod": pod_of(job)}


def _workload(name: str) -> Series:
    """Return the foreign series about a Deployment, its pod and its autoscaler."""
    pod = {"pod": pod_of(name), "container": name}
    return (
        series("up", steady(1), **_target(name))
        | series("kube_deployment_status_replicas_available", steady(2), deployment=f"{RELEASE}-{name}")
        | series("container_memory_working_set_bytes", steady(600e6), **pod)
        | series("container_cpu_usage_seconds_total", rising(20), **pod)
        | series("kube_pod_container_resource_limits", steady(1e9), **pod, resource="memory")
        | series("kube_pod_container_resource_requests", steady(1), **pod, resource="cpu")
        | scaled(f"{RELEASE}-{name}", 2, least=2, most=10)
    )


_VOLUME = {"persistentvolumeclaim": f"data-{RELEASE}-qdrant-0"}

HEALTHY: Series = (
    _workload("gateway")
    | _workload("file-sync")
    | _workload("operator")
    | _workload("n8n-worker")
    | series("kube_statefulset_status_replicas_ready", steady(2), statefulset=f"{RELEASE}-qdrant")
    | series("kubelet_volume_stats_available_bytes", steady(60e9), **_VOLUME)
    | series("kubelet_volume_stats_capacity_bytes", steady(100e9), **_VOLUME)
    | series("n8n_scaling_mode_queue_jobs_waiting", steady(4), **_target("n8n"))
    | series("n8n_scaling_mode_queue_jobs_active", steady(8), **_target("n8n"))
    # One request in a hundred fails, and one in twenty is the caller's mistake.
    | questioned(2.4, "2xx")
    | questioned(0.01, "4xx", a_minute=3)
    | questioned(0.2, "5xx", a_minute=0.6)
    | observed(gateway.STAGE_SECONDS, 0.8, "gateway", stage="first_token")
    | counted(gateway.ANSWERS, rising(30), "gateway", tenant="tenant-tenanta")
    | counted(gateway.ANSWERS, rising(10), "gateway", tenant="tenant-tenantb")
    | counted(gateway.REJECTED, steady(7), "gateway", limiter="requests")
    | counted(gateway.FOREIGN_HITS, steady(0), "gateway")
    | counted(gateway.LIMIT_CHECKS_SKIPPED, steady(3), "gateway", limit="rate")
    | counted(gateway.USAGE_WRITE_FAILURES, steady(3), "gateway", record="usage")
    | counted(gateway.REPAIRS, steady(0), "gateway", outcome="error")
    | counted(gateway.REPAIRS, rising(1), "gateway", outcome="completed")
    | gauged(gateway.MODEL_SERVED, steady(1), "gateway", model="some.model")
    | called("gateway bedrock converse", "ok", 1.9)
    | called("gateway bedrock converse", "busy", a_minute=0)
    | called("gateway qdrant search", "ok", 0.02)
    | called("file-sync s3 put", "permanent", a_minute=0.1)
    | counted(registry.FAILURES, steady(2), "gateway")
    | counted(registry.UNREADABLE, steady(0), "gateway")
    | gauged(registry.TENANTS, steady(2), "file-sync")
    | observed(file_sync.STORE_LAG, 8, "file-sync", a_minute=2)
    | observed(file_sync.READY_LAG, 20, "file-sync", a_minute=2)
    | compared("settled", rising(1))
    | compared("away", rising(0.1))
    | compared("error", steady(0))
    | gauged(file_sync.LEADER, steady(1), "file-sync")
    | gauged(file_sync.BLOCKED_DELETIONS, steady(0), "file-sync")
    | counted(file_sync.ACTIONS, rising(2), "file-sync", action="store", outcome="ok")
    | counted(file_sync.ACTIONS, steady(0), "file-sync", action="store", outcome="error")
    | counted(operator.RECONCILES, rising(1), "operator", outcome="ready")
    | counted(operator.RECONCILES, steady(0), "operator", outcome="error")
)
"""One hour of a healthy release. Foreign names are of kube-state-metrics 2, the kubelet and n8n 2.41."""
