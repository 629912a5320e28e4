"""Watchdog of certificates: reads the certificates of TLS servers, and publishes when they expire."""

import asyncio
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from prometheus_client import Gauge

__all__ = ["EXPIRY", "TlsServer", "watch_certificates"]

INTERVAL_SECONDS = 900.0
"""Time between two reads of a certificate."""

TIMEOUT_SECONDS = 10.0
"""Longest duration of a connection."""

EXPIRY = Gauge(
    "tenantry_certificate_expiry_timestamp_seconds",
    "Time at which the certificate of a TLS server expires, or that of its authority if it is earlier. The "
    "process has read it from a connection in the last 15 minutes",
    ("system",),
)

_PORTS = {"https": 443, "rediss": 6379, "postgres": 5432, "postgresql": 5432}

_POSTGRES_TLS_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
"""Postgres' SSLRequest, with which a client asks for TLS on a plain connection."""

_CERT_HAS_EXPIRED = 10
"""OpenSSL's code of a certificate that has expired."""


@dataclass(frozen=True)
class TlsServer:
    """A server to which the program connects with TLS.

    Parameters
    ----------
    system
        Name of the system in metrics and logs.
    ca_file
        PEM file of the only trusted certificates; ``None`` for the public authorities.
    is_postgres
        True if the client asks for TLS on a plain connection, as Postgres' clients do.
    """

    system: str
    host: str
    port: int
    ca_file: Path | None = None
    is_postgres: bool = False

    @classmethod
    def list_from_url(cls, system: str, url: str, ca_file: Path | None = None) -> list[Self]:
        """Return the server of a URL; none if the connection has no TLS, or if it verifies no certificate."""
        parts = urlsplit(url)
        is_postgres = parts.scheme in {"postgres", "postgresql"}
        if parts.scheme not in _PORTS or not parts.hostname or (is_postgres and ca_file is None):
            return []
        port = parts.port or _PORTS[parts.scheme]
        return [cls(system, parts.hostname, port, ca_file, is_postgres)]


async def watch_certificates(servers: Iterable[TlsServer]) -> None:
    """Publish the expiry of the servers' certificates until cancelled."""
    servers = list(servers)
    log = structlog.get_logger("servicekit.certificates")
    while True:
        for server in servers:
            try:
                expiry = await read_expiry(server)
            except (OSError, EOFError, TimeoutError, ValueError) as exc:
                # Calls fail as well, and alerts on calls report it.
                log.info("Cannot read a certificate", system=server.system, error=str(exc))
            else:
                EXPIRY.labels(server.system).set(expiry)
        await asyncio.sleep(INTERVAL_SECONDS)


async def read_expiry(server: TlsServer) -> float:
    """Return the time at which a server's certificate or its authority expires; now if one has expired.

    Raises
    ------
    OSError, EOFError, TimeoutError, ValueError
        The server is unavailable, has no TLS, or its certificate is not trusted.
    """
    context = ssl.create_default_context(cafile=server.ca_file)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            certificate = await _fetch_certificate(server, context)
    except ssl.SSLCertVerificationError as exc:
        if exc.verify_code == _CERT_HAS_EXPIRED:
            return time.time()
        raise
    # The file can contain authorities of other servers, and a renewed authority under the same name.
    authorities = [each for each in context.get_ca_certs() if each.get("subject") == certificate["issuer"]]
    authority = max(map(_read_end, authorities), default=float("inf"))
    return min(_read_end(certificate), authority)


async def _fetch_certificate(server: TlsServer, context: ssl.SSLContext) -> dict[str, Any]:
    tls = None if server.is_postgres else context
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=tls)
    try:
        if server.is_postgres:
            writer.write(_POSTGRES_TLS_REQUEST)
            if await reader.readexactly(1) != b"S":
                raise ValueError("the server has no TLS")
            await writer.start_tls(context, server_hostname=server.host)
        certificate: dict[str, Any] = writer.get_extra_info("peercert")
        return certificate
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _read_end(certificate: Any) -> float:
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))
