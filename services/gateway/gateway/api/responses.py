"""What operations answer when they do not do what they were asked, for the API's description."""

from itertools import groupby
from operator import attrgetter
from typing import Any

from servicekit.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidRequest,
    RemoteRefused,
    RemoteUnavailable,
    TenantryError,
)
from servicekit.web.errors import headers_of
from tenancy.errors import (
    IdentityUnavailable,
    NoTenant,
    TenantConflict,
    TenantSuspended,
    TicketRefused,
    TokenRefused,
    TooManyCalls,
)

from ..problems import (
    BudgetExhausted,
    CollectionMissing,
    DocumentBusy,
    IdempotencyKeyBusy,
    IdempotencyKeyRefused,
    IdempotencyKeyReused,
    LimitsUnavailable,
    ModelUnavailable,
    Overloaded,
    PersonaMissing,
    RateLimited,
    WritesUnavailable,
    list_problem_types,
)
from .components import HEADERS
from .openai_schemas import openai_error

__all__ = [
    "ANSWER",
    "BODY",
    "PERSON",
    "QUERY",
    "SEARCH",
    "STORED",
    "TICKET",
    "WRITE",
    "example",
    "examples_of_all",
    "problems",
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
"""Of every operation that a person calls."""

BODY = (BodyTooLarge, InvalidRequest)
"""Where a body is read."""

TICKET = (*PERSON, TicketRefused)
"""Where a service's ticket opens the door as well."""

STORED = (RemoteUnavailable, RemoteRefused, CollectionMissing)
"""Where bucket or index are asked."""

QUERY = (*(kind for kind in PERSON if kind is not TooManyCalls), *BODY, *STORED, RateLimited, PersonaMissing)
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


def problems(*those: type[TenantryError], openai: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return an operation's responses for problems, one a status with an example for each.

    Parameters
    ----------
    openai
        The operation speaks OpenAI's interface.
    """
    by_status = groupby(sorted(set(those), key=attrgetter("status", "slug")), key=attrgetter("status"))
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


def examples_of_all() -> dict[str, Any]:
    """Return the examples that the responses refer to: each kind of problem in both shapes."""
    return {
        _name(kind, openai=openai): {
            "summary": kind.title,
            "value": openai_error(example(kind)) if openai else example(kind),
        }
        for kind in list_problem_types()
        for openai in (False, True)
    }


def _name(kind: type[TenantryError], *, openai: bool) -> str:
    return f"openai-{kind.slug}" if openai else kind.slug


def _response(same: list[type[TenantryError]], *, openai: bool) -> dict[str, Any]:
    examples = {kind.slug: {"$ref": f"#/components/examples/{_name(kind, openai=openai)}"} for kind in same}
    media_type = "application/json" if openai else "application/problem+json"
    headers = {name for kind in same for name in headers_of(kind)}
    return {
        "description": " ".join(f"`{kind.slug}`: {kind.title}." for kind in same),
        "content": {media_type: {"schema": _schema(same, openai=openai), "examples": examples}},
        "headers": {name: _header(name, same) for name in sorted(headers)},
    }


def _header(name: str, same: list[type[TenantryError]]) -> dict[str, Any]:
    if all(name in headers_of(kind) for kind in same):
        return {"$ref": f"#/components/headers/{name}"}
    return {**HEADERS[name], "required": False}  # not every problem of this status has it


def _schema(same: list[type[TenantryError]], *, openai: bool) -> dict[str, Any]:
    """Return the schema of these problems and no others."""
    if openai:
        error = {"type": "object", "properties": {"code": {"enum": [kind.slug for kind in same]}}}
        return {"$ref": "#/components/schemas/OpenAIError", "properties": {"error": error}}
    only: dict[str, Any] = {
        "type": {"enum": [kind.uri() for kind in same]},
        "title": {"enum": [kind.title for kind in same]},
        "status": {"const": same[0].status},
    }
    return {"$ref": "#/components/schemas/Problem", "properties": only}
