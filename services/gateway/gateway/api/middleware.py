"""Around every request: an id, a bound on its body, its timing, one log line, and no naked exception.

Handlers put into ``request.state.headers`` what shall stand on the response even when it is an error.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tenancy.errors import TenantryError

from ..metrics import REQUEST_SECONDS
from ..stages import Stages
from .errors import problem_response

__all__ = ["RequestMiddleware"]

BODY_BYTES = 64 * 1024
"""Largest body of a request that is no document."""

_SAFE = {
    "X-Content-Type-Options": "nosniff",  # a document's text is shown as what it is sent as, never run
    "Cache-Control": "no-store",  # what one person was answered stays in nobody's cache on the way
}
"""On every response."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestMiddleware:
    """The outermost layer of ours.

    Parameters
    ----------
    body_bytes
        Largest body by path, where it differs from :data:`BODY_BYTES`.
    """

    def __init__(self, app: ASGIApp, body_bytes: Mapping[str, int]) -> None:
        self._app = app
        self._body_bytes = body_bytes
        self._log = structlog.get_logger("gateway.request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        stages = Stages()
        more: dict[str, str] = {}
        scope.setdefault("state", {}).update(request_id=request_id, stages=stages, headers=more)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(_SAFE | more)
                headers["X-Request-ID"] = request_id
                headers["Server-Timing"] = stages.to_header()
            await send(message)

        bounded = _bounded(receive, self._body_bytes.get(scope["path"], BODY_BYTES))
        try:
            await self._app(scope, bounded, send_with_headers)
        except Exception:  # noqa: BLE001 (whatever it is, the caller gets a problem document)
            self._log.exception("Unexpected error")
            if not status:
                problem = TenantryError("It has been logged under the request's id.").to_problem()
                await problem_response(problem, scope)(scope, receive, send_with_headers)
        finally:
            self._report(scope, status, stages)

    def _report(self, scope: Scope, status: int, stages: Stages) -> None:
        route = _route(scope)
        REQUEST_SECONDS.labels(_method(scope), route, f"{status // 100}xx").observe(stages.total)
        self._log.info(
            "Request served",
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(stages.total, 4),
        )


def _request_id(headers: Headers) -> str:
    """Return the caller's id of the request when it is harmless, else a new one."""
    given = headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _bounded(receive: Receive, max_bytes: int) -> Receive:
    """Return a ``receive`` that stops reading a body as soon as it is larger than it may be."""
    read = 0

    async def receive_bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > max_bytes:
            raise HTTPException(413, f"The body has more than {max_bytes} bytes.")
        return message

    return receive_bounded


def _route(scope: Scope) -> str:
    """Return the route's template; all that matched no route count as one."""
    route: Any = scope.get("route")
    return getattr(route, "path", "unmatched")


def _method(scope: Scope) -> str:
    """Return the method; anybody can make one up, and a label must not grow by that."""
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "OTHER"
