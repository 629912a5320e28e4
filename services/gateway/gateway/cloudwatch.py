"""Metrics of the gateway in CloudWatch: those that the dashboard and the alarms of ``infra`` need."""

from servicekit.cloudwatch import CloudWatchMetric, Count, CurrentValue, Duration, Share
from servicekit.remote import BACKEND_SECONDS, FAILURES

from .metrics import ANSWERS, CROSS_TENANT_HITS, MODEL_REPLACEMENT_DUE, REQUEST_SECONDS

__all__ = ["METRICS"]

ANSWER_ROUTES = {"route": "/v1/answers|/v1/chat/completions"}
API_ROUTES = {"route": "/v1/.*"}

METRICS: tuple[CloudWatchMetric, ...] = (
    Duration(
        "AnswerTime",
        REQUEST_SECONDS,
        "Duration of questions, from the request to the end of the answer",
        ANSWER_ROUTES,
    ),
    Share(
        "ClientErrorRate",
        REQUEST_SECONDS,
        "Share of requests that end with 4xx",
        API_ROUTES,
        counted={"status": "4xx"},
    ),
    Share(
        "ServerErrorRate",
        REQUEST_SECONDS,
        "Share of requests that end with 5xx",
        API_ROUTES,
        counted={"status": "5xx"},
    ),
    Count(
        "Answers",
        ANSWERS,
        "Answers that a model wrote; also by tenant, if `GATEWAY_METRICS_BY_TENANT` is set",
        tenant_label="tenant",
    ),
    Duration(
        "BedrockTime",
        BACKEND_SECONDS,
        "Duration of the calls of Bedrock that succeeded",
        {"system": "bedrock", "operation": "embed|converse", "outcome": "ok"},
    ),
    Count(
        "BedrockThrottles",
        FAILURES,
        "Calls that Bedrock throttled; most succeed later",
        {"system": "bedrock", "outcome": "busy"},
    ),
    Duration(
        "QdrantSearchTime",
        BACKEND_SECONDS,
        "Duration of searches in Qdrant",
        {"system": "qdrant", "operation": "search"},
    ),
    Count(
        "S3ClientErrors",
        FAILURES,
        "Calls that S3 or STS refused (4xx)",
        {"system": "s3", "outcome": "permanent"},
    ),
    Count(
        "IsolationViolations",
        CROSS_TENANT_HITS,
        "Points of another tenant that Qdrant returned despite the filter; the gateway dropped them",
    ),
    CurrentValue(
        "ModelsToReplace",
        MODEL_REPLACEMENT_DUE,
        "Configured models that Bedrock retires within 90 days, or lists as legacy",
    ),
)
