"""What the API's description says once and refers to: who may call, header fields, shapes of errors."""

from typing import Any

__all__ = ["HEADERS", "PARAMETERS", "PERSON", "SCHEMAS", "SECURITY", "TICKET"]

PERSON, TICKET = "person", "ticket"

SECURITY = {
    PERSON: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of Keycloak. It says who asks, and for which tenant.",
    },
    TICKET: {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Ticket` and a service's signed ticket for this very action.",
    },
}


def _field(description: str, *, always: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": always, "schema": {"type": "string", **schema}}


HEADERS = {
    "X-Request-ID": _field(
        "The request's id: yours, if you sent a harmless one.",
        always=True,
        pattern="^[A-Za-z0-9._-]{1,64}$",
    ),
    "Server-Timing": _field(
        "Milliseconds by stage (W3C Server Timing).", always=True, examples=["auth;dur=0.6, total;dur=12.1"]
    ),
    "Cache-Control": _field("No cache on the way may keep it.", always=True, const="no-store"),
    "X-Content-Type-Options": _field("It is what it says it is.", always=True, const="nosniff"),
    "WWW-Authenticate": _field("How to prove who you are.", always=True, pattern="^Bearer "),
    "Retry-After": _field(
        "Seconds until another try makes sense.", always=True, type="integer", minimum=0, examples=[31]
    ),
    "RateLimit-Policy": _field(
        "How many queries (`q`) the tenant may ask in how many seconds (`w`).",
        pattern='^"queries";q=[0-9]+;w=[0-9]+$',
        examples=['"queries";q=60;w=60'],
    ),
    "RateLimit": _field(
        "How many more may be asked now (`r`), and in how many seconds there is room for another (`t`).",
        pattern='^"queries";r=[0-9]+;t=[0-9]+$',
        examples=['"queries";r=12;t=31'],
    ),
    "Cache-Status": _field(
        "Whether the answer was given before: `tenantry-answers; hit`, else `fwd=miss` or `fwd=bypass` "
        "(RFC 9211).",
        always=True,
        pattern="^tenantry-answers; (hit|fwd=miss|fwd=bypass)$",
        examples=["tenantry-answers; hit"],
    ),
    "Idempotent-Replayed": _field("The same request was answered so before.", const="true"),
}
"""Header fields of responses. One that is required stands wherever it is referred to."""

PARAMETERS = {
    "X-Request-ID": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "The request's id: 1 to 64 letters, digits, `.`, `_` and `-`. Any other is replaced.",
        "schema": {"type": "string", "examples": ["report-2026-11-23.7"]},
    },
    "traceparent": {
        "name": "traceparent",
        "in": "header",
        "description": "Your trace (W3C Trace Context), which is continued. A malformed one is not read.",
        "schema": {
            "type": "string",
            "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        },
    },
}
"""Header fields that every request may have."""

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "A problem document (RFC 9457). Beside the required members it has those of its type.",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {"type": "string", "description": "Which problem; stable. `about:blank` for HTTP's own."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people: what is wrong and what to do."},
            "instance": {"type": "string", "description": "The request's id, as in `X-Request-ID`."},
            "errors": {
                "type": "array",
                "description": "Of an invalid request: what is wrong, place by place.",
                "items": {
                    "type": "object",
                    "required": ["place", "reason"],
                    "properties": {
                        "place": {"type": "array", "items": {"type": ["string", "integer"]}},
                        "reason": {"type": "string"},
                    },
                },
            },
            "personas": {
                "type": "array",
                "description": "The personas that there are.",
                "items": {"type": "string"},
            },
            "model": {"type": "string", "description": "The model that is not available."},
            "quota": {"enum": ["documents", "storage"], "description": "Which quota is used up."},
            "limit": {"type": "integer", "description": "How much the tenant may use."},
            "used": {"type": "integer", "description": "How much it has used."},
            "resetsAt": {
                "type": "string",
                "format": "date-time",
                "description": "When the count begins anew.",
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
"""Shapes of errors."""
