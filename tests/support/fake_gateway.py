"""A gateway that answers what it is told to, and remembers what it was asked."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Answer", "FakeGateway", "Seen"]


@dataclass(frozen=True)
class Answer:
    """What it answers once."""

    status: int = 200
    body: bytes = b'{"answer": "42"}'
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    seconds: float = 0.0
    """How long it takes."""


@dataclass(frozen=True)
class Seen:
    """What it was asked once; headers as they came, in lower case."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> bytes | None:
        """Return a header's only value; two are a mistake."""
        values = [value for key, value in self.headers if key == name.encode()]
        assert len(values) < 2, values
        return values[0] if values else None


class FakeGateway:
    """Answers ``POST`` on any path with what was put into ``answers``, then with the last of it again."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque([Answer()])
        self.seen: list[Seen] = []
        self._released = asyncio.Event()
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST"])])

    def will_answer(self, *answers: Answer) -> None:
        """Forget what was asked, answer now what is still open; from now on answer so."""
        self._released.set()
        self._released = asyncio.Event()
        self.answers = deque(answers or [Answer()])
        self.seen.clear()

    async def _answer(self, request: Request) -> Response:
        self.seen.append(Seen(request.url.path, list(request.headers.raw), await request.body()))
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(answer.seconds):
                await self._released.wait()
        return Response(answer.body, answer.status, answer.headers)
