"""Metrics of the operator. Labels have few fixed values; no label names a tenant."""

from prometheus_client import Counter, Gauge, Histogram
from servicekit.series import create_series

__all__ = ["CHANGES", "QUEUED", "READY_SECONDS", "RECONCILES", "RECONCILE_SECONDS"]

RECONCILES = Counter("tenantry_operator_reconciles_total", "Reconciles of a Tenant, by outcome", ("outcome",))
create_series(RECONCILES, ("ready", "retrying", "stalled", "error"))
RECONCILE_SECONDS = Histogram("tenantry_operator_reconcile_seconds", "Duration of one reconcile")
CHANGES = Counter(
    "tenantry_operator_changes_total", "Writes to external systems: creations and repairs of drift", ("part",)
)
QUEUED = Gauge("tenantry_operator_queued_tenants", "Tenants that wait for a reconcile")
READY_SECONDS = Histogram(
    "tenantry_operator_tenant_ready_seconds",
    "Time from a Tenant's creation until it is first Ready (resolution: one second)",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 120, 300, 600),
)
