"""Around every request: id, place, deadline, bound on its body, one log line, and no naked exception.

Handlers put into ``request.state.headers`` what shall stand on the response even when it is an error. They
call ``request.state.admit`` with the tenant's key as soon as it is proven: until then a request holds no
place that others wait for, and its connection may be closed for one that is proven.
"""

import asyncio
import re
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from opentelemetry import trace
from servicekit import deadline, tracing
from servicekit.errors import DeadlineExceeded, TenantryError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..concurrency import ConcurrencyLimiter
from ..metrics import REQUEST_SECONDS
from ..timings import RequestTimings
from .errors import error_response

__all__ = ["RequestMiddleware", "RouteLimits"]

GRACE_SECONDS = 1.0
"""How long after its deadline a request is cut off, whatever it waits for. Calls give up by themselves, and
can say better what they waited for."""

BODY_SECONDS = 10.0
"""Longest pause between two parts of a body."""

_SAFE = {
    "X-Content-Type-Options": "nosniff",  # a document's text is shown as what it is sent as, never run
    "Cache-Control": "no-store",  # what one person was answered stays in nobody's cache on the way
}
"""On every response."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class RouteLimits:
    """How requests are served.

    Parameters
    ----------
    limiter
        Where they wait for their turn, as soon as their tenant is proven.
    seconds
        Longest time that one may take.
    body_bytes
        Largest body.
    """

    limiter: ConcurrencyLimiter
    seconds: float
    body_bytes: int


class RequestMiddleware:
    """The outermost layer of ours.

    Parameters
    ----------
    limits
        By method and path (``POST /v1/search``).
    default
        For all other requests.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, RouteLimits], default: RouteLimits) -> None:
        self._app = app
        self._limits = limits
        self._default = default
        self._log = structlog.get_logger("gateway.request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, state = Headers(scope=scope), scope.setdefault("state", {})
        state.update(request_id=_request_id(headers), timings=RequestTimings(), headers={}, status=0)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=state["request_id"])
        if trace_id := tracing.trace_id(headers):
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        try:
            await self._serve(scope, receive, send)
        finally:
            self._report(scope)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; ``status`` in its state is what was sent, 0 as long as nothing was."""
        state = scope["state"]
        limits = self._limits.get(f"{scope['method']} {scope['path']}", self._default)
        body = _Body(receive, Headers(scope=scope), limits.body_bytes)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                _complete_span()
                headers = MutableHeaders(scope=message)
                headers.update(_SAFE | state["headers"])
                if body.may_go_on:
                    headers["Connection"] = "close"
                headers["X-Request-ID"] = state["request_id"]
                headers["Server-Timing"] = state["timings"].to_header()
            await send(message)

        try:
            await self._serve_within_limits(limits, scope, body, send_with_headers)
        except TenantryError as exc:
            problem = exc
        except Exception:  # noqa: BLE001 (whatever it is, the caller gets a problem document)
            self._log.exception("Unexpected error")
            problem = TenantryError("It has been logged under the request's id.")
        else:
            return
        if not state["status"]:
            await error_response(problem, scope)(scope, receive, send_with_headers)

    async def _serve_within_limits(
        self, limits: RouteLimits, scope: Scope, receive: Receive, send: Send
    ) -> None:
        backstop = asyncio.timeout(limits.seconds + GRACE_SECONDS)
        try:
            async with backstop, AsyncExitStack() as stack:

                async def admit(tenant_key: str) -> None:
                    if connection := scope["state"].get("connection"):
                        connection.admit()
                    await stack.enter_async_context(limits.limiter.acquire(tenant_key))

                scope["state"]["admit"] = admit
                with deadline.within(limits.seconds):
                    await self._app(scope, receive, send)
        except TimeoutError as exc:
            if not backstop.expired():
                raise
            raise DeadlineExceeded("The request took longer than it may. Try again.") from exc

    def _report(self, scope: Scope) -> None:
        route, method, state = _route(scope), _method(scope), scope["state"]
        status, total = state["status"], state["timings"].total
        REQUEST_SECONDS.labels(method, route, f"{status // 100}xx").observe(total)
        self._log.info(
            "Request served",
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(total, 4),
        )


def _complete_span() -> None:
    """Let the span that FastAPI made for the request name the tenant, and hide what was asked for."""
    trace.get_current_span().set_attributes(
        {"tenantry.tenant": structlog.contextvars.get_contextvars().get("tenant", ""), "url.query": ""}
    )


def _request_id(headers: Headers) -> str:
    """Return the caller's id of the request when it is harmless, else a new one."""
    given = headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


class _Body:
    """A request's body: a ``receive`` that stops as soon as it is larger than it may be."""

    def __init__(self, receive: Receive, headers: Headers, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._read = 0
        self.may_go_on = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        """Whether some of it has not come: the server would go on reading, for ever perhaps."""

    async def __call__(self) -> Message:
        """Return the next part.

        Raises
        ------
        HTTPException
            There is too much of it, or the caller has stopped sending it.
        """
        if not self.may_go_on:
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
        except TimeoutError as exc:
            raise HTTPException(408, f"Nothing more of the body came for {BODY_SECONDS:g} s.") from exc
        self._read += len(message.get("body", b""))
        if self._read > self._max_bytes:
            raise HTTPException(413, f"The body has more than {self._max_bytes} bytes.")
        if not message.get("more_body"):
            self.may_go_on = False
        return message


def _route(scope: Scope) -> str:
    """Return the route's template; all that matched no route count as one."""
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")


def _method(scope: Scope) -> str:
    """Return the method; anybody can make one up, and a label must not grow by that."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "OTHER"
