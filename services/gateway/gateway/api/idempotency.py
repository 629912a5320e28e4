"""``Idempotency-Key`` header: a repeated write is processed once and its response is replayed.

A key belongs to the proven caller. Without the header a request is processed each time.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from servicekit.errors import TenantryError
from starlette.responses import Response
from tenancy.identity import Principal

from ..idempotency_store import IdempotentRequest, StoredResponse
from ..problems import IdempotencyKeyRefused
from .auth import Context, TicketHolder
from .errors import render_problem

__all__ = ["KEY_PATTERN", "IdempotencyKey", "run_once"]

MAX_KEY_CHARACTERS = 255
"""Longest key, in characters."""

KEY_PATTERN = r"""^([!#-~]([ -~]*[!-~])?|"[!-~]([ -~]*[!-~])?")$"""
"""Pattern of valid keys in the API's description."""

NOT_STORED = (409, 429)
"""Client errors that are not stored, because a retry may succeed; server errors (5xx) are never stored."""

REPLAYED = {"Idempotent-Replayed": "true"}
"""Header of a replayed response."""

_PROBLEM_FROM = 400
_FAILURE_FROM = 500


async def _parse_key(
    request: Request,
    _described: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="1 to 255 printable ASCII characters, unique per request, for example a UUID. "
            "A repeated request with the same key is processed once within 24 hours.",
            json_schema_extra={
                "minLength": 1,
                "maxLength": MAX_KEY_CHARACTERS,
                "pattern": KEY_PATTERN,
                "examples": ["0c1f8a52-6b1e-4d55-9d0e-7a1f2f9f3b60"],
            },
        ),
    ] = None,
) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    key = keys[0].strip()
    if key.startswith('"'):  # a string of RFC 9651; many clients omit the quotes
        key = key[1:-1].strip() if key.endswith('"') else ""
    if len(keys) > 1 or not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        raise IdempotencyKeyRefused(
            f"Send one `Idempotency-Key` of 1 to {MAX_KEY_CHARACTERS} printable ASCII characters."
        )
    return key


IdempotencyKey = Annotated[str | None, Depends(_parse_key)]
"""The caller's key; ``None`` without the header."""


async def run_once(
    request: Request,
    caller: Principal | TicketHolder,
    context: Context,
    key: str | None,
    handler: Callable[[], Awaitable[BaseModel | None]],
    *,
    status: int,
    parts: tuple[str, ...] = (),
) -> Any:
    """Run a handler and return its result, or replay the stored response to the same request.

    Parameters
    ----------
    status
        Status of the response if the handler succeeds.
    parts
        Contents that identify the request, in addition to its path.

    Raises
    ------
    IdempotencyKeyReused, IdempotencyKeyBusy, WritesUnavailable
        See :meth:`~gateway.idempotency_store.IdempotencyStore.run_once`.
    """
    if key is None:
        return await handler()
    idempotent = IdempotentRequest(
        caller=f"person {caller.subject}" if isinstance(caller, Principal) else "ticket",
        route=f"{request.method} {request.url.path}",
        key=key,
        fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    )
    async with context.idempotency.run_once(caller.tenant, idempotent) as lease:
        if lease.stored:
            return _replay(lease.stored, request)
        try:
            result = await handler()
        except TenantryError as exc:
            if exc.status < _FAILURE_FROM and exc.status not in NOT_STORED:
                lease.save(StoredResponse(exc.status, json.dumps(exc.to_problem())))
            raise
        reply = StoredResponse(status, result.model_dump_json(by_alias=True) if result else "")
        lease.save(reply)
        return _build_response(reply)


def _replay(reply: StoredResponse, request: Request) -> Response:
    """Return a stored response; the ``instance`` of a problem is the current request's id."""
    if reply.status >= _PROBLEM_FROM:
        return render_problem(json.loads(reply.body), request.scope, REPLAYED)
    return _build_response(reply, REPLAYED)


def _build_response(reply: StoredResponse, headers: dict[str, str] | None = None) -> Response:
    media_type = "application/json" if reply.body else None
    return Response(reply.body or None, reply.status, headers=headers, media_type=media_type)
