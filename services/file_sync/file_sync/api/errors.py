"""Error handlers that answer with problem documents (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from servicekit.errors import TenantryError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ..problems import RequestRefused

__all__ = ["add_error_handlers", "error_response"]

RETRY_SECONDS = 5
"""``Retry-After`` of a response without a time from the backend."""

_TRANSIENT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses with a ``Retry-After``."""


def add_error_handlers(app: FastAPI) -> None:
    """Register handlers that answer errors with problem documents."""

    @app.exception_handler(TenantryError)
    async def _(request: Request, exc: TenantryError) -> JSONResponse:
        return error_response(exc, request.scope)

    @app.exception_handler(HTTPException)
    async def _(request: Request, exc: HTTPException) -> JSONResponse:
        title = HTTPStatus(exc.status_code).phrase
        problem = {"type": "about:blank", "title": title, "status": exc.status_code, "detail": exc.detail}
        return _response(problem, request.scope, dict(exc.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, exc: RequestValidationError) -> JSONResponse:
        # Without the value, which may be a person's text.
        errors = [{"place": list(error["loc"]), "reason": error["msg"]} for error in exc.errors()]
        detail = "See `errors`: each names a place in the request and what is wrong there."
        return error_response(RequestRefused(detail, errors=errors), request.scope)


def error_response(exc: TenantryError, scope: Scope) -> JSONResponse:
    """Return the response for an error; its ``instance`` is the request's id."""
    headers = {}
    if exc.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tenantry"'
    if exc.status in _TRANSIENT:
        headers["Retry-After"] = str(round(getattr(exc, "retry_after", None) or RETRY_SECONDS))
    return _response(exc.to_problem(), scope, headers)


def _response(problem: dict[str, Any], scope: Scope, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(
        problem | {"instance": scope["state"]["request_id"]},
        status_code=problem["status"],
        headers=headers,
        media_type="application/problem+json",
    )
