"""What file-sync counts. Labels are small fixed sets; no series is one tenant's."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ACTIONS",
    "BRAKED",
    "COMPARED",
    "FILES",
    "HINTS",
    "LEADER",
    "POLL_SECONDS",
    "QUEUE",
    "READY_LAG",
    "REQUEST_SECONDS",
    "STORE_LAG",
    "STRANGERS",
]

_LAGS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)

FILES = Gauge(
    "tenantry_file_sync_files",
    "Files that were given to a persona, as last compared, by state: waiting, received, indexing, ready, "
    "failed, refused, no-tenant (the owner has none: left alone), foreign (the owner has another: likewise), "
    "kept (taken out of a knowledge base by another than its owner or an administrator; its document stays), "
    "replaced (a newer file of its name and owner is found instead)",
    ("state",),
)

STORE_LAG = Histogram(
    "tenantry_file_sync_store_lag_seconds",
    "From a file's upload to Open WebUI until it is safe in the documents' bucket",
    buckets=_LAGS,
)

READY_LAG = Histogram(
    "tenantry_file_sync_ready_lag_seconds",
    "From a file's upload to Open WebUI until it can be found",
    buckets=_LAGS,
)

ACTIONS = Counter(
    "tenantry_file_sync_actions_total",
    "What was done, by deed (store, check, index, delete) and outcome: ok, refused (the document is no "
    "good), postponed (somebody is away or busy; it is tried again), error (a fault of ours: must stay 0)",
    ("deed", "outcome"),
)
for _deed in ("store", "check", "index", "delete"):
    ACTIONS.labels(_deed, "error")  # there from the start, so that the first one is a rise

COMPARED = Counter(
    "tenantry_file_sync_comparisons_total",
    "Comparisons of a tenant, by outcome: settled, unsettled (it is compared again soon), away, error",
    ("outcome",),
)
COMPARED.labels("error")

QUEUE = Gauge(
    "tenantry_file_sync_queue",
    "Tenants by where they are: changed (wait for their comparison), routine (likewise, but nothing is known "
    "to have changed), running, resting (wait until somebody is back)",
    ("place",),
)

BRAKED = Gauge(
    "tenantry_file_sync_braked_documents",
    "Deletions that the gateway holds until an administrator of the tenant decides: see the runbook",
)

STRANGERS = Gauge(
    "tenantry_file_sync_people_without_tenant",
    "People who gave files to a persona and have no tenant: not verified, disabled, or claimed by none",
)

LEADER = Gauge("tenantry_file_sync_leader", "Whether this replica is the one that compares: 1 or 0")

HINTS = Counter("tenantry_file_sync_hints_total", "Hints that were taken")

POLL_SECONDS = Histogram(
    "tenantry_file_sync_poll_seconds",
    "Duration of asking Open WebUI's database what changed",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

REQUEST_SECONDS = Histogram(
    "tenantry_file_sync_request_seconds",
    "Duration of each request, by route template and class of status",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
