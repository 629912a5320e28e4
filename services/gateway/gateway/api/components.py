"""Shared components of the API's description: security schemes, header fields, schemas of errors."""

from typing import Any

__all__ = ["HEADERS", "PARAMETERS", "PERSON", "SCHEMAS", "SECURITY", "TICKET"]

PERSON, TICKET = "person", "ticket"

SECURITY = {
    PERSON: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of Keycloak. It proves the user and the tenant.",
    },
    TICKET: {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Ticket` and a service's signed ticket for this action.",
    },
}


def _build_field(description: str, *, always: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": always, "schema": {"type": "string", **schema}}


HEADERS = {
    "X-Request-ID": _build_field(
        "The request's id: the caller's, if it is valid.",
        always=True,
        pattern="^[A-Za-z0-9._-]{1,64}$",
    ),
    "Server-Timing": _build_field(
        "Milliseconds per stage (W3C Server Timing).", always=True, examples=["auth;dur=0.6, total;dur=12.1"]
    ),
    "Cache-Control": _build_field(
        "Intermediate caches must not store the response.", always=True, const="no-store"
    ),
    "X-Content-Type-Options": _build_field(
        "Clients must not guess another media type.", always=True, const="nosniff"
    ),
    "WWW-Authenticate": _build_field("Required authentication scheme.", always=True, pattern="^Bearer "),
    "Retry-After": _build_field(
        "Seconds until a retry may succeed.", always=True, type="integer", minimum=0, examples=[31]
    ),
    "RateLimit-Policy": _build_field(
        "Allowed queries (`q`) of the tenant per window in seconds (`w`).",
        pattern='^"queries";q=[0-9]+;w=[0-9]+$',
        examples=['"queries";q=60;w=60'],
    ),
    "RateLimit": _build_field(
        "Remaining queries (`r`), and seconds until a further one is allowed (`t`).",
        pattern='^"queries";r=[0-9]+;t=[0-9]+$',
        examples=['"queries";r=12;t=31'],
    ),
    "Cache-Status": _build_field(
        "Outcome of the cache lookup (RFC 9211): `tenantry-answers; hit` for a cached answer, else "
        "`fwd=miss` or `fwd=bypass`.",
        always=True,
        pattern="^tenantry-answers; (hit|fwd=miss|fwd=bypass)$",
        examples=["tenantry-answers; hit"],
    ),
    "Idempotent-Replayed": _build_field(
        "Set on a stored response to an earlier request with the same key.", const="true"
    ),
}
"""Header fields of responses. A required header field is present wherever an operation refers to it."""

PARAMETERS = {
    "X-Request-ID": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The request's id: 1 to 64 letters, digits, `.`, `_`, `-`. An invalid id is replaced.",
        "schema": {"type": "string", "examples": ["report-2026-11-23.7"]},
    },
    "traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "The caller's trace (W3C Trace Context). A malformed value is ignored.",
        "schema": {
            "type": "string",
            "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        },
    },
}
"""Optional header fields of every request."""

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "A problem document (RFC 9457): the required members and those of its type.",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "description": "Stable id of the problem type, or `about:blank`."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "Explanation and remedy for people; may change."},
            "instance": {"type": "string", "description": "The request's id, as in `X-Request-ID`."},
            "errors": {
                "type": "array",
                "description": "Errors of an invalid request, one per location.",
                "items": {
                    "type": "object",
                    "required": ["location", "reason"],
                    "properties": {
                        "location": {
                            "type": "array",
                            "description": "Path to the field: `body`, `path`, `query` or `header`, "
                            "then names and indexes.",
                            "items": {"type": ["string", "integer"]},
                        },
                        "reason": {"type": "string"},
                    },
                },
            },
            "personas": {
                "type": "array",
                "description": "Existing personas.",
                "items": {"type": "string"},
            },
            "model": {"type": "string", "description": "The model that is not available."},
            "quota": {"enum": ["documents", "storage"], "description": "Exceeded quota."},
            "limit": {"type": "integer", "description": "Limit of the tenant."},
            "used": {"type": "integer", "description": "Usage of the tenant."},
            "resetsAt": {
                "type": "string",
                "format": "date-time",
                "description": "Time at which the usage resets.",
            },
        },
    },
    "OpenAIError": {
        "type": "object",
        "description": "A problem in OpenAI's shape: `code` is the last part of the problem's type.",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": "null"},
                    "code": {"type": "string"},
                },
            }
        },
    },
}
"""Schemas of errors."""
