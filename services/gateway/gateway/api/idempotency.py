"""``Idempotency-Key``: a write that is sent again is answered again, and done once.

A key is the caller's own; whose it is comes from the proven identity. Without the header nothing of this
happens.
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

MAX_KEY = 255
"""Longest key, in characters."""

KEY_PATTERN = r"""^([!#-~]([ -~]*[!-~])?|"[!-~]([ -~]*[!-~])?")$"""
"""What the API's description says of its characters."""

NOT_STORED = (409, 429)
"""What passes with time is asked anew, and so is every failure of ours (5xx)."""

REPLAYED = {"Idempotent-Replayed": "true"}
"""On an answer that was given before."""

_PROBLEM_FROM = 400
_FAILURE_FROM = 500


async def _key(
    request: Request,
    _described: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Any 1 to 255 printable ASCII characters, new for each new request: a UUID, for "
            "example. The same request with the same key is done once in 24 hours.",
            json_schema_extra={
                "minLength": 1,
                "maxLength": MAX_KEY,
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
    if key.startswith('"'):  # a string as RFC 9651 writes it; many clients leave the quotes out
        key = key[1:-1].strip() if key.endswith('"') else ""
    if len(keys) > 1 or not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise IdempotencyKeyRefused(
            f"Send one `Idempotency-Key` of 1 to {MAX_KEY} printable ASCII characters."
        )
    return key


IdempotencyKey = Annotated[str | None, Depends(_key)]
"""The caller's key; ``None`` when there is none."""


async def run_once(
    request: Request,
    caller: Principal | TicketHolder,
    context: Context,
    key: str | None,
    work: Callable[[], Awaitable[BaseModel | None]],
    *,
    status: int,
    parts: tuple[str, ...] = (),
) -> Any:
    """Do the work and return its result, or what was answered to the same request before.

    Parameters
    ----------
    status
        Of the answer when the work succeeds.
    parts
        What makes it this request and no other, beside its path.

    Raises
    ------
    IdempotencyKeyReused, IdempotencyKeyBusy, WritesUnavailable
        See :meth:`~gateway.idempotency_store.IdempotencyStore.run_once`.
    """
    if key is None:
        return await work()
    idempotent = IdempotentRequest(
        caller=f"person {caller.subject}" if isinstance(caller, Principal) else "ticket",
        route=f"{request.method} {request.url.path}",
        key=key,
        fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
    )
    async with context.idempotency.run_once(caller.tenant, idempotent) as claim:
        if claim.stored:
            return _replay(claim.stored, request)
        try:
            result = await work()
        except TenantryError as exc:
            if exc.status < _FAILURE_FROM and exc.status not in NOT_STORED:
                claim.save(StoredResponse(exc.status, json.dumps(exc.to_problem())))
            raise
        reply = StoredResponse(status, result.model_dump_json(by_alias=True) if result else "")
        claim.save(reply)
        return _response(reply)


def _replay(reply: StoredResponse, request: Request) -> Response:
    """Return an answer that was given before. A problem's ``instance`` is this request's id."""
    if reply.status >= _PROBLEM_FROM:
        return render_problem(json.loads(reply.body), request.scope, REPLAYED)
    return _response(reply, REPLAYED)


def _response(reply: StoredResponse, headers: dict[str, str] | None = None) -> Response:
    media_type = "application/json" if reply.body else None
    return Response(reply.body or None, reply.status, headers=headers, media_type=media_type)
