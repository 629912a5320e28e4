"""Prometheus metrics of file-sync. Labels have few values; no label names a tenant."""

from prometheus_client import Counter, Gauge, Histogram
from servicekit.series import create_series

__all__ = [
    "ACTIONS",
    "FILES",
    "HELD_DELETIONS",
    "HINTS",
    "LATE_FILES",
    "LEADER",
    "POLL_SECONDS",
    "QUEUE",
    "READY_LAG",
    "REQUEST_SECONDS",
    "STORE_LAG",
    "SYNCS",
    "UNASSIGNED_OWNERS",
]

_LAGS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)

FILES = Gauge(
    "tenantry_file_sync_files",
    "Files that were given to a persona, by state at the last sync: waiting, received, indexing, "
    "ready, failed, refused, replaced, kept, no-tenant or other-tenant. A newer file of its name and owner "
    "has replaced a file. A kept file was removed by a person without that right; its document stays. The "
    "owner of a no-tenant file has no tenant, that of an other-tenant file has another. Both are ignored.",
    ("state",),
)

STORE_LAG = Histogram(
    "tenantry_file_sync_store_lag_seconds",
    "Time from a file's upload for a persona until it is in the documents' bucket",
    buckets=_LAGS,
)

READY_LAG = Histogram(
    "tenantry_file_sync_ready_lag_seconds",
    "Time from a file's upload for a persona until searches find it",
    buckets=_LAGS,
)

LATE_FILES = Counter(
    "tenantry_file_sync_late_files_total",
    "Files that searches did not find five minutes after their upload for a persona, also if they never "
    "will. Each counts once, and again if another replica becomes leader. A refused file does not count.",
)

ACTIONS = Counter(
    "tenantry_file_sync_actions_total",
    "Actions by type (store, check, index, delete) and outcome: ok, refused, held, retry_later or error. A "
    "refused document cannot be used. The gateway holds a deletion beyond the mass-deletion limit. An action "
    "is retried later if a service is unavailable or busy. An error is a bug, so their number must stay 0.",
    ("action", "outcome"),
)
create_series(
    ACTIONS, ("store", "check", "index", "delete"), ("ok", "refused", "held", "retry_later", "error")
)

SYNCS = Counter(
    "tenantry_file_sync_syncs_total",
    "Syncs of a tenant, by outcome: complete, incomplete (the next one is soon), unavailable, error",
    ("outcome",),
)
create_series(SYNCS, ("complete", "incomplete", "unavailable", "error"))

QUEUE = Gauge(
    "tenantry_file_sync_queue",
    "Tenants by state: changed (waits for its sync), full-sync (waits, without a known change), "
    "running, backoff (waits for a service that is unavailable)",
    ("state",),
)

HELD_DELETIONS = Gauge(
    "tenantry_file_sync_held_deletions",
    "Deletions that the gateway holds until an administrator of the tenant decides: see the runbook",
)

UNASSIGNED_OWNERS = Gauge(
    "tenantry_file_sync_unassigned_owners",
    "Owners of files who have no tenant: not verified, disabled, or without a matching Tenant",
)

LEADER = Gauge(
    "tenantry_file_sync_leader", "1 if this replica is the leader, which syncs tenants; otherwise 0"
)

HINTS = Counter("tenantry_file_sync_hints_total", "Hints that were accepted")

POLL_SECONDS = Histogram(
    "tenantry_file_sync_poll_seconds",
    "Duration of each poll of Open WebUI's database",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

REQUEST_SECONDS = Histogram(
    "tenantry_file_sync_request_seconds",
    "Duration of each request, by route template and status class",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
