"""Error responses of operations in the API's description."""

from itertools import groupby
from operator import attrgetter
from typing import Any

from servicekit.errors import (
    BackendRefused,
    BackendUnavailable,
    BodyTooLarge,
    DeadlineExceeded,
    InvalidRequest,
    TenantryError,
)
from servicekit.web.errors import list_header_names
from tenancy.errors import (
    IdentityUnavailable,
    NoTenant,
    TenantConflict,
    TenantSuspended,
    TicketRefused,
    TokenRefused,
    TooManyCalls,
    UnsupportedQdrant,
)

from ..problems import (
    BudgetExhausted,
    DocumentBusy,
    IdempotencyKeyBusy,
    IdempotencyKeyRefused,
    IdempotencyKeyReused,
    LimitsUnavailable,
    ModelUnavailable,
    Overloaded,
    PersonaMissing,
    RateLimited,
    TenantNotReady,
    WritesUnavailable,
    list_problem_types,
)
from .components import HEADERS
from .openai_schemas import build_openai_error

__all__ = [
    "ANSWER",
    "BODY",
    "PERSON",
    "QUERY",
    "SEARCH",
    "STORED",
    "TICKET",
    "WRITE",
    "build_example",
    "build_examples",
    "describe_problems",
]

PERSON = (
    TenantryError,
    TokenRefused,
    NoTenant,
    TenantConflict,
    TenantSuspended,
    IdentityUnavailable,
    Overloaded,
    DeadlineExceeded,
    TooManyCalls,
)
"""Problems of every operation that a person calls."""

BODY = (BodyTooLarge, InvalidRequest)
"""Problems of operations that read a body."""

TICKET = (*PERSON, TicketRefused)
"""Problems of operations that accept a person or a ticket."""

STORED = (BackendUnavailable, BackendRefused, TenantNotReady)
"""Problems of operations that access the bucket or the index."""

QUERY = (*(kind for kind in PERSON if kind is not TooManyCalls), *BODY, *STORED, RateLimited, PersonaMissing)
"""Problems of operations that the rate limit counts."""

SEARCH = (*QUERY, ModelUnavailable, UnsupportedQdrant)
"""Problems of operations that embed a question."""

ANSWER = (*SEARCH, BudgetExhausted, LimitsUnavailable)
"""Problems of operations that call a chat model."""

WRITE = (
    *STORED,
    DocumentBusy,
    WritesUnavailable,
    IdempotencyKeyRefused,
    IdempotencyKeyReused,
    IdempotencyKeyBusy,
)
"""Problems of operations that change a document."""


def describe_problems(*types: type[TenantryError], openai: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return an operation's error responses: one per status, with an example per problem type.

    Parameters
    ----------
    openai
        True for operations that are compatible with OpenAI.
    """
    by_status = groupby(sorted(set(types), key=attrgetter("status", "slug")), key=attrgetter("status"))
    return {status: _build_response(list(same), openai=openai) for status, same in by_status}


def build_example(kind: type[TenantryError]) -> dict[str, Any]:
    """Return an example document of a problem type."""
    return {
        "type": kind.get_uri(),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.example,
        "instance": "4f0c8a0e6d5b4f3c",
        **kind.members,
    }


def build_examples() -> dict[str, Any]:
    """Return the examples that responses refer to: each problem type in both shapes."""
    return {
        _get_name(kind, openai=openai): {
            "summary": kind.title,
            "value": build_openai_error(build_example(kind)) if openai else build_example(kind),
        }
        for kind in list_problem_types()
        for openai in (False, True)
    }


def _get_name(kind: type[TenantryError], *, openai: bool) -> str:
    return f"openai-{kind.slug}" if openai else kind.slug


def _build_response(same: list[type[TenantryError]], *, openai: bool) -> dict[str, Any]:
    examples = {
        kind.slug: {"$ref": f"#/components/examples/{_get_name(kind, openai=openai)}"} for kind in same
    }
    media_type = "application/json" if openai else "application/problem+json"
    headers = {name for kind in same for name in list_header_names(kind)}
    return {
        "description": " ".join(f"`{kind.slug}`: {kind.title}." for kind in same),
        "content": {media_type: {"schema": _build_schema(same, openai=openai), "examples": examples}},
        "headers": {name: _build_header(name, same) for name in sorted(headers)},
    }


def _build_header(name: str, same: list[type[TenantryError]]) -> dict[str, Any]:
    if all(name in list_header_names(kind) for kind in same):
        return {"$ref": f"#/components/headers/{name}"}
    return {**HEADERS[name], "required": False}  # not every problem type of this status has the field


def _build_schema(same: list[type[TenantryError]], *, openai: bool) -> dict[str, Any]:
    """Return the schema of exactly these problem types."""
    if openai:
        error = {"type": "object", "properties": {"code": {"enum": [kind.slug for kind in same]}}}
        return {"$ref": "#/components/schemas/OpenAIError", "properties": {"error": error}}
    only: dict[str, Any] = {
        "type": {"enum": [kind.get_uri() for kind in same]},
        "title": {"enum": [kind.title for kind in same]},
        "status": {"const": same[0].status},
    }
    return {"$ref": "#/components/schemas/Problem", "properties": only}
