"""What the gateway counts. Labels are small fixed sets; what a tenant uses has an API of its own."""

from prometheus_client import Counter, Histogram

__all__ = ["FOREIGN_HITS", "REQUEST_SECONDS", "STAGE_SECONDS"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUEST_SECONDS = Histogram(
    "tenantry_gateway_request_seconds",
    "Duration of each request, by route template and class of status",
    ("method", "route", "status"),
    buckets=_BUCKETS,
)

STAGE_SECONDS = Histogram(
    "tenantry_gateway_stage_seconds",
    "Duration of the stages of a request: auth, read, embed, store, index, search, model",
    ("stage",),
    buckets=_BUCKETS,
)

FOREIGN_HITS = Counter(
    "tenantry_gateway_foreign_hits_total",
    "Points of another tenant that came back in spite of the filter, and were dropped: must stay 0",
)
