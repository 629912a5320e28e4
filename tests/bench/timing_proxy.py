"""HTTP proxy between the pipe and n8n that measures n8n's overhead on each question.

n8n passes on the gateway's ``Server-Timing``. The time beyond the gateway's ``total`` is n8n's overhead.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["TimingProxy", "get_overhead_ms", "open_timing_proxy"]

_LENGTH = re.compile(rb"(?i)^content-length: *(\d+)", re.MULTILINE)
_TOTAL = re.compile(rb"(?i)^server-timing:.*\btotal;dur=([\d.]+)", re.MULTILINE)


class TimingProxy:
    """Forwards requests to a port of 127.0.0.1, sequentially on each connection.

    Parameters
    ----------
    target
        Port to which requests are forwarded.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._shares: list[float] = []
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    def pop_overheads(self) -> list[float]:
        """Return n8n's overhead in milliseconds for each request since the last call."""
        taken, self._shares = self._shares, []
        return taken

    async def aclose(self) -> None:
        """Close the connections."""
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
                request = await _read_message(reader)
                began = time.perf_counter()
                back_writer.write(request)
                answer = await _read_message(back_reader)
                self._shares.append(get_overhead_ms(answer, time.perf_counter() - began))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            del self._serving[writer]
            writer.close()
            back_writer.close()


def get_overhead_ms(answer: bytes, seconds: float) -> float:
    """Return the time of a response beyond the gateway's total, in milliseconds.

    Raises
    ------
    ValueError
        The response does not come from the gateway.
    """
    total = _TOTAL.search(answer.partition(b"\r\n\r\n")[0])
    if not total:
        raise ValueError(f"not the gateway's answer: {answer[:500]!r}")
    return seconds * 1000 - float(total[1])


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Read a request or a response: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


@asynccontextmanager
async def open_timing_proxy(target: int) -> AsyncIterator[tuple[TimingProxy, str]]:
    """Serve a proxy in front of a port; yield it and its URL."""
    timing_proxy = TimingProxy(target)
    server = await asyncio.start_server(timing_proxy.serve, "127.0.0.1", 0)
    try:
        yield timing_proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await timing_proxy.aclose()
