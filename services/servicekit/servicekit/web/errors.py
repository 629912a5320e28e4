"""Error responses: problem documents (RFC 9457) for errors of the service and of the framework."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope

from ..errors import BodyTooLarge, InvalidRequest, TenantryError

__all__ = [
    "Renderer",
    "add_error_handlers",
    "build_error_response",
    "build_problem_response",
    "list_header_names",
]

MAX_ERRORS = 20
"""Maximum number of errors that a response lists: a body can have ten thousand errors."""

RETRY_AFTER_SECONDS = 5
"""``Retry-After`` of a 503 or 504 for which the backend named no time."""

_TRANSIENT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
"""Statuses that come with ``Retry-After``."""

Renderer = Callable[[dict[str, Any], Scope, Mapping[str, str]], JSONResponse]
"""Builds the response for a problem, a request's scope and further headers."""


def build_problem_response(problem: dict[str, Any], scope: Scope, headers: Mapping[str, str]) -> JSONResponse:
    """Return a problem document as a response; its ``instance`` is the request id."""
    return JSONResponse(
        problem | {"instance": scope["state"]["request_id"]},
        status_code=problem["status"],
        headers=headers,
        media_type="application/problem+json",
    )


def build_error_response(
    exc: TenantryError, scope: Scope, render: Renderer = build_problem_response
) -> JSONResponse:
    """Return an error as a response, with the headers that belong to its kind."""
    return render(exc.to_problem(), scope, _get_headers(exc))


def list_header_names(kind: type[TenantryError]) -> set[str]:
    """Return the names of the headers that come with a kind of problem."""
    if kind.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate"}
    return {"Retry-After"} if kind.status in _TRANSIENT or kind.retryable else set()


def add_error_handlers(app: FastAPI, render: Renderer = build_problem_response) -> None:
    """Register handlers that answer errors with problem documents."""

    @app.exception_handler(TenantryError)
    async def _(request: Request, exc: TenantryError) -> JSONResponse:
        return build_error_response(exc, request.scope, render)

    @app.exception_handler(HTTPException)
    async def _(request: Request, exc: HTTPException) -> JSONResponse:
        if exc.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return build_error_response(BodyTooLarge(str(exc.detail)), request.scope, render)
        if exc.status_code == HTTPStatus.BAD_REQUEST:  # raised by FastAPI for a body that is no JSON or UTF-8
            invalid = InvalidRequest("The body cannot be read as JSON in UTF-8.")
            return build_error_response(invalid, request.scope, render)
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(exc.status_code).phrase,
            "status": exc.status_code,
            "detail": exc.detail,
        }
        headers = dict(exc.headers or {})
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers |= _list_allowed(request)
        return render(problem, request.scope, headers)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, exc: RequestValidationError) -> JSONResponse:
        # The value is omitted, because it can be a person's text.
        errors = [
            {"location": list(error["loc"]), "reason": error["msg"]} for error in exc.errors()[:MAX_ERRORS]
        ]
        detail = InvalidRequest.example
        return build_error_response(InvalidRequest(detail, errors=errors), request.scope, render)


def _list_allowed(request: Request) -> dict[str, str]:
    """Return the ``Allow`` header with all methods of a path; the framework names those of one route only."""
    path = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(path, {})
    return {"Allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def _get_headers(exc: TenantryError) -> dict[str, str]:
    values = {
        "WWW-Authenticate": 'Bearer realm="tenantry"',
        "Retry-After": str(round(getattr(exc, "retry_after", None) or RETRY_AFTER_SECONDS)),
    }
    return {name: values[name] for name in list_header_names(type(exc))}
