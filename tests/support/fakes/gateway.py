"""Fake gateway with configurable responses that records its requests."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["FakeGateway", "ReceivedRequest", "StubResponse"]


@dataclass(frozen=True)
class StubResponse:
    """One response."""

    status: int = 200
    body: bytes = b'{"answer": "42"}'
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    seconds: float = 0.0
    """Delay before the response."""


@dataclass(frozen=True)
class ReceivedRequest:
    """One received request, with header names in lower case."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def get_header(self, name: str) -> bytes | None:
        """Return the value of a header; fail if it occurs twice."""
        values = [value for key, value in self.headers if key == name.encode()]
        assert len(values) < 2, values
        return values[0] if values else None


class FakeGateway:
    """Responds to ``POST`` on any path with ``responses`` in order, then repeats the last one."""

    def __init__(self) -> None:
        self.responses: deque[StubResponse] = deque([StubResponse()])
        self.received: list[ReceivedRequest] = []
        self._released = asyncio.Event()
        self.app = Starlette(routes=[Route("/{path:path}", self._respond, methods=["POST"])])

    def set_responses(self, *responses: StubResponse) -> None:
        """Clear the recorded requests, finish open ones, and use these responses from now on."""
        self._released.set()
        self._released = asyncio.Event()
        self.responses = deque(responses or [StubResponse()])
        self.received.clear()

    async def _respond(self, request: Request) -> Response:
        self.received.append(
            ReceivedRequest(request.url.path, list(request.headers.raw), await request.body())
        )
        response = self.responses.popleft() if len(self.responses) > 1 else self.responses[0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(response.seconds):
                await self._released.wait()
        return Response(response.body, response.status, response.headers)
