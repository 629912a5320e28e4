"""TCP proxy that can be cut or hang: it simulates an outage of a backend that other tests use."""

import asyncio
from contextlib import suppress
from typing import Self

__all__ = ["Proxy"]


class Proxy:
    """Forwards connections to a port of 127.0.0.1 until it is closed.

    Parameters
    ----------
    target
        Port to which connections are forwarded.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = True
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._flows.set()
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Close all connections, and each new one immediately."""
        self._open = False
        for writer in list(self._writers):
            writer.transport.abort()

    def restore(self) -> None:
        """Forward again."""
        self._open = True
        self._flows.set()

    def hang(self) -> None:
        """Accept connections and data and forward nothing, like a suspended process."""
        self._flows.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back_writer}
        await asyncio.gather(self._pump(reader, back_writer), self._pump(back_reader, writer))
        self._writers -= {writer, back_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
