"""Middleware around every request: id, admission, deadline, size limit, log line, problem documents.

Handlers put headers of the response into ``request.state.headers``; an error response has them, too. They
call ``request.state.admit`` with the tenant key when it is proven. Until then a request takes no slot in a
queue, and its connection can be closed in favour of a proven caller's.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from opentelemetry import trace
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import deadline, tracing
from ..errors import DeadlineExceeded, TenantryError
from .errors import Renderer, build_error_response, build_problem_response

__all__ = ["RequestMiddleware", "RouteLimits"]

CANCEL_DELAY_SECONDS = 1.0
"""Time between a request's deadline and its cancellation. In this time, calls to other systems end by
themselves, with errors that name the system."""

BODY_IDLE_TIMEOUT_SECONDS = 10.0
"""Longest pause between two parts of a request's body."""

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",  # a document's text is shown with its declared type, never run
    "Cache-Control": "no-store",  # no cache on the way keeps one person's response
}

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class RouteLimits:
    """Limits of the requests of a route.

    Parameters
    ----------
    seconds
        Longest duration.
    body_bytes
        Largest body; 0 for routes that read none.
    acquire
        Holds a slot for a tenant key; entered as soon as the tenant is proven.
    """

    seconds: float
    body_bytes: int
    acquire: Callable[[str], AbstractAsyncContextManager[None]] | None = None


class RequestMiddleware:
    """Outermost middleware of a service.

    Parameters
    ----------
    service
        Name of the service in logs.
    durations
        Histogram with the labels method, route and status.
    limits
        By method and path (``POST /v1/search``).
    default
        Limits of all other requests.
    render
        Builds error responses.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        durations: Histogram,
        limits: Mapping[str, RouteLimits],
        default: RouteLimits,
        render: Renderer = build_problem_response,
    ) -> None:
        self._app = app
        self._durations = durations
        self._limits = limits
        self._default = default
        self._render = render
        self._log = structlog.get_logger(f"{service}.request")

    def build_state(self) -> dict[str, Any]:
        """Return further members of ``request.state``; subclasses override it."""
        return {}

    def build_response_headers(self, _state: Mapping[str, Any]) -> Mapping[str, str]:
        """Return further headers of each response; subclasses override it."""
        return {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        state.update(request_id=_choose_request_id(headers), headers={}, status=0, **self.build_state())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])
        if trace_id := tracing.get_trace_id(headers):
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        try:
            await self._serve(scope, receive, send)
        finally:
            self._report(scope, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ``status`` in its state is 0 until a status has been sent."""
        state = scope["state"]
        limits = self._limits.get(f"{scope['method']} {scope['path']}", self._default)
        body = _Body(receive, Headers(scope=scope), limits.body_bytes)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                _complete_span()
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS | state["headers"])
                if body.is_pending:
                    headers["Connection"] = "close"
                headers["X-Request-ID"] = state["request_id"]
                headers.update(self.build_response_headers(state))
            await send(message)

        try:
            await self._serve_within(limits, scope, body, send_with_headers)
        except TenantryError as exc:
            problem = exc
        except Exception:  # noqa: BLE001 (the caller gets a problem document for any error)
            self._log.exception("Unexpected error")
            problem = TenantryError("It has been logged under the request's id.")
        else:
            return
        if not state["status"]:
            await build_error_response(problem, scope, self._render)(scope, receive, send_with_headers)

    async def _serve_within(self, limits: RouteLimits, scope: Scope, receive: Receive, send: Send) -> None:
        backstop = asyncio.timeout(limits.seconds + CANCEL_DELAY_SECONDS)
        try:
            async with backstop, AsyncExitStack() as stack:

                async def admit(tenant_key: str) -> None:
                    if connection := scope["state"].get("connection"):
                        connection.admit()
                    if limits.acquire:
                        await stack.enter_async_context(limits.acquire(tenant_key))

                scope["state"]["admit"] = admit
                with deadline.limit_time(limits.seconds):
                    await self._app(scope, receive, send)
        except TimeoutError as exc:
            if not backstop.expired():
                raise
            raise DeadlineExceeded("The request took longer than it may. Try again.") from exc

    def _report(self, scope: Scope, seconds: float) -> None:
        # Callers can invent methods, and each invented method would be a new series.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route, status = _get_route(scope), scope["state"]["status"]
        self._durations.labels(method, route, f"{status // 100}xx").observe(seconds)
        self._log.info(
            "Request served",
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(seconds, 4),
        )


class _Body:
    """ASGI ``receive`` of a request; it raises when the body is too large."""

    def __init__(self, receive: Receive, headers: Headers, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._read = 0
        self.is_pending = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        """True while parts of the body have not arrived. The server would otherwise wait for them."""

    async def __call__(self) -> Message:
        """Return the next part of the body.

        Raises
        ------
        HTTPException
            The body is too large, or the caller has stopped sending it.
        """
        if not self.is_pending:
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_IDLE_TIMEOUT_SECONDS):
                message = await self._receive()
        except TimeoutError as exc:
            raise HTTPException(
                408, f"Nothing more of the body came for {BODY_IDLE_TIMEOUT_SECONDS:g} s."
            ) from exc
        self._read += len(message.get("body", b""))
        if self._read > self._max_bytes:
            raise HTTPException(413, f"The body has more than {self._max_bytes} bytes.")
        if not message.get("more_body"):
            self.is_pending = False
        return message


def _complete_span() -> None:
    """Put the tenant on the request's span, and remove the query string, which can hold a person's words."""
    trace.get_current_span().set_attributes(
        {"tenantry.tenant": structlog.contextvars.get_contextvars().get("tenant", ""), "url.query": ""}
    )


def _choose_request_id(headers: Headers) -> str:
    """Return the caller's id of the request if it is harmless, else a new one."""
    given = headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _get_route(scope: Scope) -> str:
    """Return the template of the route, or ``unmatched``."""
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")
