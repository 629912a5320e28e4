"""Every error of ours and of the framework as a problem document (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Scope
from tenancy.errors import RemoteUnavailable, TenantryError

from ..problems import Busy, LimitReached
from .openai_schemas import openai_error

OPENAI_PATHS = frozenset({"/v1/models", "/v1/chat/completions"})

__all__ = ["add_error_handlers", "error_response", "problem_response"]

RETRY_SECONDS = 5
"""When to come back after a 503 for which the backend named no time."""


def add_error_handlers(app: FastAPI) -> None:
    """Let the application answer errors with problem documents."""

    @app.exception_handler(TenantryError)
    async def _(request: Request, exc: TenantryError) -> JSONResponse:
        return error_response(exc, request.scope)

    @app.exception_handler(HTTPException)
    async def _(request: Request, exc: HTTPException) -> JSONResponse:
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(exc.status_code).phrase,
            "status": exc.status_code,
            "detail": exc.detail,
        }
        return problem_response(problem, request.scope, dict(exc.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, exc: RequestValidationError) -> JSONResponse:
        problem = {
            "type": "https://tenantry.io/problems/invalid-request",
            "title": "The request is not valid",
            "status": 422,
            "detail": "See `errors`: each names a place in the request and what is wrong there.",
            # Without the value: it may be somebody's text.
            "errors": [{"place": list(error["loc"]), "reason": error["msg"]} for error in exc.errors()],
        }
        return problem_response(problem, request.scope)


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


def _headers(exc: TenantryError) -> dict[str, str]:
    if exc.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="tenantry"'}
    if exc.status == HTTPStatus.SERVICE_UNAVAILABLE:
        wish = exc.retry_after if isinstance(exc, RemoteUnavailable) else None
        return {"Retry-After": str(round(wish or RETRY_SECONDS))}
    if isinstance(exc, LimitReached | Busy):
        return {"Retry-After": str(exc.retry_after)}
    return {}
