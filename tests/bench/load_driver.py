"""HTTP client that sends requests at a fixed rate, independent of responses (open loop).

A general HTTP client would use more time per request than the measured overhead.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["LoadDriver", "Response"]


@dataclass(frozen=True)
class Response:
    """A response, with the seconds from the time at which the request was due."""

    status: int
    head: str
    body: bytes
    seconds: float

    def get_stage_ms(self, name: str) -> float:
        """Return the milliseconds of a stage in the ``Server-Timing`` header, or 0."""
        match = re.search(rf"\b{name};dur=([\d.]+)", self.head)
        return float(match[1]) if match else 0.0


class LoadDriver:
    """Sends requests to one server on 127.0.0.1.

    Parameters
    ----------
    port
        Port of the server.
    token
        Bearer token of the requests.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send_at_rate(self, path: str, body: Any, *, rate: float, seconds: float) -> list[Response]:
        """Send a request every ``1 / rate`` seconds, and return all responses."""
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            tasks.append(asyncio.create_task(self.post(path, body, due)))
        return await asyncio.gather(*tasks)

    async def post(self, path: str, body: Any, due: float | None = None) -> Response:
        """Send one request."""
        due = due or time.perf_counter()
        async with self._borrow_connection() as (reader, writer):
            writer.write(self._request(path, body))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            content = await reader.readexactly(int(length[1])) if length else b""
        return Response(int(head.split(" ", 2)[1]), head, content, time.perf_counter() - due)

    async def stream(self, path: str, body: Any) -> list[tuple[int, bytes]]:
        """Send one request; return each chunk with its arrival time (nanoseconds since 1970)."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._request(path, body))
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            chunks = []
            while size := int((await reader.readline()).strip() or b"0", 16):
                chunks.append((time.time_ns(), await reader.readexactly(size)))
                await reader.readexactly(2)
            return chunks
        finally:
            writer.close()

    def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()

    @asynccontextmanager
    async def _borrow_connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        pair = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        yield pair
        self._idle.append(pair)

    def _request(self, path: str, body: Any) -> bytes:
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content
