"""Prometheus metrics of the gateway. The values of a label are a small fixed set.

Two counters are an exception if ``GATEWAY_METRICS_BY_TENANT`` is set. They then have a series per Tenant,
and :mod:`gateway.limits.tenant_metrics` removes the series of deleted Tenants.
"""

from prometheus_client import Counter, Gauge, Histogram
from servicekit.series import create_series

__all__ = [
    "ANSWERS",
    "ANSWER_CACHE",
    "CROSS_TENANT_HITS",
    "FALLBACKS",
    "LIMIT_CHECKS_SKIPPED",
    "LIMIT_EXCEEDED",
    "MODEL_REPLACEMENT_DUE",
    "MODEL_SERVED",
    "PENDING_WRITES",
    "REJECTED",
    "REPAIRS",
    "REQUESTS_IN_PROGRESS",
    "REQUEST_SECONDS",
    "STAGE_SECONDS",
    "TOKENS",
    "TRASH_EXPIRED",
    "USAGE_WRITE_FAILURES",
]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 6, 10, 30, 60)
"""With bounds at the thresholds of the alerts and alarms on response times: 6 and 10 seconds."""

REQUEST_SECONDS = Histogram(
    "tenantry_gateway_request_seconds",
    "Duration of requests by method, route template and status class",
    ("method", "route", "status"),
    buckets=_BUCKETS,
)

STAGE_SECONDS = Histogram(
    "tenantry_gateway_stage_seconds",
    "Duration of request stages: auth, limit, read, embed, store, index, search, model, first_token",
    ("stage",),
    buckets=_BUCKETS,
)

ANSWER_CACHE = Counter(
    "tenantry_gateway_answer_cache_total",
    "Answer cache lookups by outcome: hit, miss, bypass (not allowed), unavailable (Redis does not answer)",
    ("outcome",),
)
create_series(ANSWER_CACHE, ("hit", "miss", "bypass", "unavailable"))

FALLBACKS = Counter(
    "tenantry_gateway_fallbacks_total",
    "Answers for which a fallback model was called because a model was throttled or did not respond",
)

CROSS_TENANT_HITS = Counter(
    "tenantry_gateway_cross_tenant_hits_total",
    "Points of another tenant that Qdrant returned despite the filter; the gateway dropped them. Must stay 0",
)

MODEL_SERVED = Gauge(
    "tenantry_gateway_model_served",
    "1 if Bedrock served the configured model when the gateway started, else 0",
    ("model",),
)

MODEL_REPLACEMENT_DUE = Gauge(
    "tenantry_gateway_model_replacement_due",
    "1 if Bedrock retires the configured model within 90 days, or lists it as legacy; else 0. Checked daily",
    ("model",),
)

REQUESTS_IN_PROGRESS = Gauge(
    "tenantry_gateway_requests_in_progress",
    "Requests that are being served, by concurrency limiter: requests, ingests",
    ("limiter",),
)

REJECTED = Counter(
    "tenantry_gateway_rejected_total",
    "Requests rejected because all slots and the queue were full, by concurrency limiter",
    ("limiter",),
)
create_series(REJECTED, ("requests", "ingests"))

LIMIT_EXCEEDED = Counter(
    "tenantry_gateway_limit_exceeded_total",
    "Requests that exceeded a limit of their tenant: rate, tokens, documents, storage, deletions",
    ("limit",),
)
create_series(LIMIT_EXCEEDED, ("rate", "tokens", "documents", "storage", "deletions"))

LIMIT_CHECKS_SKIPPED = Counter(
    "tenantry_gateway_limit_checks_skipped_total",
    "Requests that passed without a check of the limit because Redis did not answer",
    ("limit",),
)
create_series(LIMIT_CHECKS_SKIPPED, ("rate",))

USAGE_WRITE_FAILURES = Counter(
    "tenantry_gateway_usage_write_failures_total",
    "Failed writes to Redis by record: usage (the report), tokens (the monthly budget)",
    ("record",),
)
create_series(USAGE_WRITE_FAILURES, ("usage", "tokens"))

TOKENS = Counter(
    "tenantry_gateway_tokens_total",
    "Tokens by kind: input, output, embedding; by tenant key if GATEWAY_METRICS_BY_TENANT is set",
    ("tenant", "kind"),
)

ANSWERS = Counter(
    "tenantry_gateway_answers_total",
    "Answers that a model wrote; by tenant key if GATEWAY_METRICS_BY_TENANT is set",
    ("tenant",),
)

REPAIRS = Counter(
    "tenantry_gateway_repairs_total",
    "Repairs of interrupted writes, by outcome: completed, refused (the document is not accepted), "
    "retry_later (a backend is unavailable), given_up, error (a bug; must stay 0)",
    ("outcome",),
)
create_series(REPAIRS, ("completed", "refused", "retry_later", "given_up", "error"))

PENDING_WRITES = Gauge(
    "tenantry_gateway_pending_writes",
    "Document writes of all tenants that are in progress or wait for repair, as last observed",
)

TRASH_EXPIRED = Counter(
    "tenantry_gateway_trash_expired_total",
    "Deleted documents that were removed from the trash after its retention period",
)
