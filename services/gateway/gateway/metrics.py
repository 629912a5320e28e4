"""What the gateway counts. Labels are small fixed sets.

The one exception are two counters, and only where ``GATEWAY_METRICS_BY_TENANT`` is set: they then have a
series for each Tenant that there is, and :mod:`gateway.limits.tenant_metrics` removes those of
deleted Tenants.
"""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ANSWERS",
    "ANSWER_CACHE",
    "FALLBACKS",
    "FOREIGN_HITS",
    "INGESTS_OPEN",
    "LANE",
    "LIMITS_OPEN",
    "MODEL_SERVED",
    "REFUSED",
    "REPAIRS",
    "REQUEST_SECONDS",
    "SHED",
    "STAGE_SECONDS",
    "TOKENS",
    "TRASH_EXPIRED",
    "USAGE_LOST",
]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUEST_SECONDS = Histogram(
    "tenantry_gateway_request_seconds",
    "Duration of each request, by route template and class of status",
    ("method", "route", "status"),
    buckets=_BUCKETS,
)

STAGE_SECONDS = Histogram(
    "tenantry_gateway_stage_seconds",
    "Duration of the stages of a request: auth, limit, read, embed, store, index, search, model, first_token",
    ("stage",),
    buckets=_BUCKETS,
)

ANSWER_CACHE = Counter(
    "tenantry_gateway_answer_cache_total",
    "Questions by what the answer cache did: hit, miss, bypass (not to be used), unavailable (Redis is away)",
    ("outcome",),
)

FALLBACKS = Counter(
    "tenantry_gateway_fallbacks_total",
    "Answers for which the next model was asked, because one was busy or did not answer",
)

FOREIGN_HITS = Counter(
    "tenantry_gateway_foreign_hits_total",
    "Points of another tenant that came back in spite of the filter, and were dropped: must stay 0",
)

MODEL_SERVED = Gauge(
    "tenantry_gateway_model_served",
    "Whether Bedrock served a configured model when the gateway started: 1 or 0",
    ("model",),
)

LANE = Gauge(
    "tenantry_gateway_requests_under_way",
    "Requests that are being served, by lane: requests, ingests",
    ("lane",),
)

SHED = Counter(
    "tenantry_gateway_shed_total",
    "Requests that were told to come back because there was no room for them, by lane",
    ("lane",),
)

REFUSED = Counter(
    "tenantry_gateway_refused_total",
    "Requests refused by a limit of their tenant: rate, tokens, documents, storage, deletions",
    ("limit",),
)

LIMITS_OPEN = Counter(
    "tenantry_gateway_limits_open_total",
    "Requests that passed a limit unchecked because Redis did not answer",
    ("limit",),
)

USAGE_LOST = Counter(
    "tenantry_gateway_usage_lost_total",
    "Writes of what was used that Redis did not take: usage, tokens (the month's budget)",
    ("what",),
)

TOKENS = Counter(
    "tenantry_gateway_tokens_total",
    "Tokens that models read (input, embedding) and wrote (output); by the tenant's key where that is wanted",
    ("tenant", "kind"),
)

ANSWERS = Counter(
    "tenantry_gateway_answers_total",
    "Answers that a model gave; by the tenant's key where that is wanted",
    ("tenant",),
)

REPAIRS = Counter(
    "tenantry_gateway_repairs_total",
    "Repairs of writes of documents that were cut off, by what came of them: completed, refused (the "
    "document is no good), postponed (a backend is away), given_up, error (a fault of ours: must stay 0)",
    ("outcome",),
)
for _outcome in ("error", "given_up"):
    REPAIRS.labels(_outcome)  # there from the start, so that the first one is a rise

INGESTS_OPEN = Gauge(
    "tenantry_gateway_ingests_open",
    "Writes of documents that are under way or wait to be repaired, of all tenants, as last seen",
)

TRASH_EXPIRED = Counter(
    "tenantry_gateway_trash_expired_total",
    "Removed documents that left the trash because their time was over",
)
