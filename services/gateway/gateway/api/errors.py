"""Every error of ours and of the framework as a problem document (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from servicekit.errors import TenantryError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ..problems import BodyTooLarge, Busy, InvalidRequest
from .openai_schemas import openai_error

OPENAI_PATHS = frozenset({"/v1/models", "/v1/chat/completions"})

__all__ = ["add_error_handlers", "error_response", "headers_of", "problem_response"]

MAX_ERRORS = 20
"""Most places of a request that a response names: a body may be wrong in ten thousand."""

RETRY_SECONDS = 5
"""When to come back after a 503 or 504 for which the backend named no time."""

_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses that come with a time to try again."""


def add_error_handlers(app: FastAPI) -> None:
    """Let the application answer errors with problem documents."""

    @app.exception_handler(TenantryError)
    async def _(request: Request, exc: TenantryError) -> JSONResponse:
        return error_response(exc, request.scope)

    @app.exception_handler(HTTPException)
    async def _(request: Request, exc: HTTPException) -> JSONResponse:
        if exc.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return error_response(BodyTooLarge(str(exc.detail)), request.scope)
        if exc.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's word for a body that cannot be decoded
            return error_response(InvalidRequest("The body cannot be read as JSON in UTF-8."), request.scope)
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(exc.status_code).phrase,
            "status": exc.status_code,
            "detail": exc.detail,
        }
        headers = dict(exc.headers or {})
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers |= _allowed(request)
        return problem_response(problem, request.scope, headers)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, exc: RequestValidationError) -> JSONResponse:
        # Without the value: it may be somebody's text.
        errors = [
            {"place": list(error["loc"]), "reason": error["msg"]} for error in exc.errors()[:MAX_ERRORS]
        ]
        detail = "See `errors`: each names a place in the request and what is wrong there."
        return error_response(InvalidRequest(detail, errors=errors), request.scope)


def error_response(exc: TenantryError, scope: Scope) -> JSONResponse:
    """Return an error of ours as a response."""
    return problem_response(exc.to_problem(), scope, _headers(exc))


def problem_response(
    problem: dict[str, Any], scope: Scope, headers: dict[str, str] | None = None
) -> JSONResponse:
    """Return a problem document as a response; its ``instance`` is the request's id.

    Where OpenAI's interface is spoken its clients get the error in OpenAI's shape.
    """
    request_id: str = scope["state"]["request_id"]
    if scope["path"] in OPENAI_PATHS:
        return JSONResponse(openai_error(problem), status_code=problem["status"], headers=headers)
    return JSONResponse(
        problem | {"instance": request_id},
        status_code=problem["status"],
        headers=headers,
        media_type="application/problem+json",
    )


def _allowed(request: Request) -> dict[str, str]:
    """Return the header that names all methods of a path; a route knows only its own."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def headers_of(kind: type[TenantryError]) -> set[str]:
    """Return which headers come with a problem."""
    if kind.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate"}
    passes = kind.status in _PASSING or issubclass(kind, Busy)
    return {"Retry-After"} if passes else set()


def _headers(exc: TenantryError) -> dict[str, str]:
    wish = getattr(exc, "retry_after", None)
    values = {
        "WWW-Authenticate": 'Bearer realm="tenantry"',
        "Retry-After": str(round(wish or RETRY_SECONDS)),
    }
    return {name: values[name] for name in headers_of(type(exc))}
