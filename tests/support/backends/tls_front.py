"""TLS in front of Postgres and Redis, whose local builds have none."""

import asyncio
import ssl
from contextlib import suppress
from typing import Self

from tests.support.security.certificates import Certificates

__all__ = ["TlsFront"]

REQUEST_BYTES = 8
SSL_REQUEST = (80877103).to_bytes(4, "big")
"""Code of Postgres' SSLRequest, with which a client asks for TLS on a plain connection."""


class TlsFront:
    """Serves TLS, by default on a free port of localhost, and forwards plain data to a port of 127.0.0.1.

    Parameters
    ----------
    target
        Port of the plain server.
    shown
        Certificate for clients.
    negotiates
        True for Postgres, whose clients ask for TLS first. A client that does not ask is disconnected, as by
        ``rds.force_ssl``.
    address, port
        Address of this machine and port on which TLS is served.
    """

    def __init__(
        self,
        target: int,
        shown: Certificates,
        *,
        negotiates: bool = False,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._target = target
        self._address = address
        self.port = port
        self._negotiates = negotiates
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.show(shown)
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0
        """Number of clients that accepted the certificate and sent data."""

    def show(self, shown: Certificates) -> None:
        """Show another certificate to new clients."""
        self._context.load_cert_chain(shown.certificate, shown.key)

    async def __aenter__(self) -> Self:
        context = None if self._negotiates else self._context
        self._server = await asyncio.start_server(self._serve, self._address, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):  # ends of connections, and of TLS
            if self._negotiates:
                request = await reader.readexactly(REQUEST_BYTES)
                if not request.endswith(SSL_REQUEST):
                    return
                writer.write(b"S")
                await writer.start_tls(self._context)
            await self._forward(reader, writer)
        self._writers.remove(writer)
        writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if not first:
            return
        self.connections += 1
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers.add(back_writer)
        back_writer.write(first)
        await asyncio.gather(_pump(reader, back_writer), _pump(back_reader, writer))
        self._writers.remove(back_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()
