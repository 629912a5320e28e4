"""Middleware for each request: id, deadline, refusal of a body, log line, and handling of exceptions."""

import re
import time
import uuid
from typing import Any

import structlog
from servicekit import deadline, tracing
from servicekit.errors import TenantryError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..metrics import REQUEST_SECONDS
from .errors import error_response

__all__ = ["RequestMiddleware"]

MAX_SECONDS = 30.0
"""Deadline of a request; the caller may repeat it."""

_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestMiddleware:
    """Outermost middleware. No route reads a body, so the connection of a request with one is closed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = structlog.get_logger("file_sync.request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        given = headers.get("X-Request-ID", "")
        state.update(request_id=given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex, status=0)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])
        if trace_id := tracing.trace_id(headers):
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                more = _SAFE | {"X-Request-ID": state["request_id"]}
                MutableHeaders(scope=message).update(more | ({"Connection": "close"} if has_body else {}))
            await send(message)

        started = time.monotonic()
        try:
            await self._serve(scope, receive, send_with_headers)
        finally:
            self._report(scope, time.monotonic() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with deadline.within(MAX_SECONDS):
                await self._app(scope, receive, send)
        except TenantryError as exc:
            problem = exc
        except Exception:  # noqa: BLE001 (the caller gets a problem document)
            self._log.exception("Unexpected error")
            problem = TenantryError("The error was logged with the request's id.")
        else:
            return
        if not scope["state"]["status"]:
            await error_response(problem, scope)(scope, receive, send)

    def _report(self, scope: Scope, seconds: float) -> None:
        route, status = _route(scope), scope["state"]["status"]
        REQUEST_SECONDS.labels(route, f"{status // 100}xx").observe(seconds)
        self._log.info("Request served", route=route, status=status, seconds=round(seconds, 4))


def _route(scope: Scope) -> str:
    """Return the route's template; ``unmatched`` without a route."""
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")
