"""Every error of ours and of the framework as a problem document (RFC 9457)."""

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
"""When to come back after a 503 for which the backend named no time."""

_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses that come with a time to try again."""


def add_error_handlers(app: FastAPI) -> None:
    """Let the application answer errors with problem documents."""

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
        # Without the value: it may be somebody's text.
        errors = [{"place": list(error["loc"]), "reason": error["msg"]} for error in exc.errors()]
        detail = "See `errors`: each names a place in the request and what is wrong there."
        return error_response(RequestRefused(detail, errors=errors), request.scope)


def error_response(exc: TenantryError, scope: Scope) -> JSONResponse:
    """Return an error of ours as a response; its ``instance`` is the request's id."""
    headers = {}
    if exc.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tenantry"'
    if exc.status in _PASSING:
        headers["Retry-After"] = str(round(getattr(exc, "retry_after", None) or RETRY_SECONDS))
    return _response(exc.to_problem(), scope, headers)


def _response(problem: dict[str, Any], scope: Scope, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(
        problem | {"instance": scope["state"]["request_id"]},
        status_code=problem["status"],
        headers=headers,
        media_type="application/problem+json",
    )
