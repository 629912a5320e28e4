"""What operations answer when they do not do what they were asked, for the API's description."""

from itertools import groupby
from operator import attrgetter
from typing import Any

from tenancy.errors import (
    DeadlineExceeded,
    IdentityUnavailable,
    NoTenant,
    RemoteRefused,
    RemoteUnavailable,
    TenantConflict,
    TenantryError,
    TenantSuspended,
    TicketRefused,
    TokenRefused,
)

from ..problems import (
    BodyTooLarge,
    BudgetExhausted,
    CollectionMissing,
    DocumentBusy,
    FormRefused,
    IdempotencyKeyBusy,
    IdempotencyKeyRefused,
    IdempotencyKeyReused,
    LimitsUnavailable,
    ModelUnavailable,
    Overloaded,
    PersonaMissing,
    RateLimited,
    WritesUnavailable,
)
from .errors import headers_of
from .openai_schemas import openai_error

__all__ = [
    "ANSWER",
    "PERSON",
    "QUERY",
    "SCHEMAS",
    "SEARCH",
    "STORED",
    "TICKET",
    "WRITE",
    "example",
    "problems",
]

PERSON = (
    TenantryError,
    TokenRefused,
    NoTenant,
    TenantConflict,
    TenantSuspended,
    IdentityUnavailable,
    BodyTooLarge,
    FormRefused,
    Overloaded,
    DeadlineExceeded,
)
"""Of every operation that a person calls."""

TICKET = (*PERSON, TicketRefused)
"""Where a service's ticket opens the door as well."""

STORED = (RemoteUnavailable, RemoteRefused, CollectionMissing)
"""Where bucket or index are asked."""

QUERY = (*PERSON, *STORED, RateLimited, PersonaMissing)
"""Where a question is counted."""

SEARCH = (*QUERY, ModelUnavailable)
"""Where a question is embedded."""

ANSWER = (*SEARCH, BudgetExhausted, LimitsUnavailable)
"""Where a model writes."""

WRITE = (
    *STORED,
    DocumentBusy,
    WritesUnavailable,
    IdempotencyKeyRefused,
    IdempotencyKeyReused,
    IdempotencyKeyBusy,
)
"""Where a document changes."""

SCHEMAS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "A problem document (RFC 9457).",
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
"""Shapes of errors, by their names in the API's description."""


def problems(*kinds: type[TenantryError], openai: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return an operation's responses for problems, one a status with an example for each.

    Parameters
    ----------
    openai
        The operation speaks OpenAI's interface.
    """
    by_status = groupby(sorted(set(kinds), key=attrgetter("status", "slug")), key=attrgetter("status"))
    return {status: _response(list(same), openai=openai) for status, same in by_status}


def example(kind: type[TenantryError]) -> dict[str, Any]:
    """Return a problem document as it could be."""
    return {
        "type": kind.uri(),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.example,
        "instance": "4f0c8a0e6d5b4f3c",
        **kind.members,
    }


def _response(kinds: list[type[TenantryError]], *, openai: bool) -> dict[str, Any]:
    examples = {}
    for kind in kinds:
        problem = example(kind)
        examples[kind.slug] = {"summary": kind.title, "value": openai_error(problem) if openai else problem}
    media_type, schema = (
        ("application/json", "OpenAIError") if openai else ("application/problem+json", "Problem")
    )
    headers = {name for kind in kinds for name in headers_of(kind)}
    return {
        "description": " ".join(f"`{kind.slug}`: {kind.title}." for kind in kinds),
        "content": {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}},
        "headers": {name: {"schema": {"type": "string"}} for name in sorted(headers)},
    }
