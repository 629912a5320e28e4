"""The operator's metrics. Labels are small fixed sets: no tenant ever is one."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["CHANGES", "QUEUED", "READY_SECONDS", "RECONCILES", "RECONCILE_SECONDS"]

RECONCILES = Counter("tenantry_reconciles_total", "Reconciles of a Tenant, by how they ended", ("outcome",))
RECONCILES.labels("error")  # there from the start, so that the first one is a rise
RECONCILE_SECONDS = Histogram("tenantry_reconcile_seconds", "Duration of one reconcile")
CHANGES = Counter(
    "tenantry_changes_total", "Writes to external systems: creation or repaired drift", ("part",)
)
QUEUED = Gauge("tenantry_queue_tenants", "Tenants that wait to be reconciled")
READY_SECONDS = Histogram(
    "tenantry_tenant_ready_seconds",
    "From a Tenant's creation until it was first Ready (creation has a resolution of one second)",
    buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 120, 300, 600),
)
