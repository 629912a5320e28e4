"""A stopwatch between the pipe and n8n: an HTTP proxy that notes how long n8n had each question.

n8n hands the gateway's ``Server-Timing`` on. What it took beyond the gateway's ``total`` is its own share, of
the very requests that people's questions became, while everything else runs.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Stopwatch", "open_stopwatch", "share_of"]

_LENGTH = re.compile(rb"(?i)^content-length: *(\d+)", re.MULTILINE)
_TOTAL = re.compile(rb"(?i)^server-timing:.*\btotal;dur=([\d.]+)", re.MULTILINE)


class Stopwatch:
    """Forwards requests to a port of 127.0.0.1, one after the other on each connection.

    Parameters
    ----------
    target
        The port.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._shares: list[float] = []
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    def take(self) -> list[float]:
        """Return the milliseconds that were n8n's of each request since the last time."""
        taken, self._shares = self._shares, []
        return taken

    async def aclose(self) -> None:
        """Let connections go."""
        serving = dict(self._serving)
        for writer in serving:
            writer.transport.abort()
        await asyncio.gather(*filter(None, serving.values()))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward the requests of a connection."""
        self._serving[writer] = asyncio.current_task()
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            while True:
                request = await _message(reader)
                began = time.perf_counter()
                back_writer.write(request)
                answer = await _message(back_reader)
                self._shares.append(share_of(answer, time.perf_counter() - began))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self._serving[writer]
            writer.close()
            back_writer.close()


def share_of(answer: bytes, seconds: float) -> float:
    """Return the milliseconds of an answer that were not the gateway's.

    Raises
    ------
    ValueError
        The answer does not come from the gateway: there would be nothing to compare.
    """
    total = _TOTAL.search(answer.partition(b"\r\n\r\n")[0])
    if not total:
        raise ValueError(f"not the gateway's answer: {answer[:500]!r}")
    return seconds * 1000 - float(total[1])


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return a request or a response, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def open_stopwatch(target: int) -> AsyncIterator[tuple[Stopwatch, str]]:
    """Stand before a port; yield the stopwatch and its URL."""
    stopwatch = Stopwatch(target)
    server = await asyncio.start_server(stopwatch.serve, "127.0.0.1", 0)
    try:
        yield stopwatch, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await stopwatch.aclose()
