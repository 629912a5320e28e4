"""HTTP protocol of the services' servers: uvicorn's, with limits on unauthenticated connections.

uvicorn limits the size of a request's head and the idle time of a connection. It does not limit the duration
of a head, nor the number of connections that wait for one.
"""

import asyncio
from typing import Any, cast
from weakref import WeakKeyDictionary

import h11
from prometheus_client import Counter
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ..series import create_series

__all__ = ["CLOSED_CONNECTIONS", "BoundedH11Protocol"]

HEAD_TIMEOUT_SECONDS = 10.0
"""Longest time from the connection, or from a request's first byte, to the end of its head."""

MIN_AGE_SECONDS = 2.0
"""Shortest time that a connection has for authentication, unless the total exceeds ``MAX_CONNECTIONS``."""

MAX_CONNECTIONS_PER_SOURCE = 128
"""Maximum number of unauthenticated connections of one address. Behind a proxy, all callers share one."""

CLOSE_DELAY_SECONDS = 1.0
"""Time that a connection which the server closes stays open for a caller that still sends. If it is closed
sooner, TCP resets it and the response is lost."""

SHUTDOWN_DELAY_SECONDS = 1.0
"""Time that an idle connection stays open when the server stops, for a request in transit. If it is closed
sooner, TCP resets it and the caller cannot know whether the request was handled."""

MAX_CONNECTIONS = 512
"""Maximum number of unauthenticated connections in total."""

CLOSED_CONNECTIONS = Counter(
    "tenantry_connections_closed_total",
    "Connections closed before authentication, by reason: head_timeout, too_many",
    ("reason",),
)
create_series(CLOSED_CONNECTIONS, ("head_timeout", "too_many"))


class BoundedH11Protocol(H11Protocol):
    """Protocol of one connection.

    Requests have it as ``connection`` in their state, and call :meth:`admit` when the caller is
    authenticated. The number of unauthenticated connections is limited. The oldest is closed for the newest,
    so callers with a token are always served.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self._pending = _PENDING.setdefault(server_state, _PendingConnections())
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_shutting_down = False
        self.source = ""
        self.connected_at = self.loop.time()

    def admit(self) -> None:
        """Mark the connection as authenticated."""
        self._pending.remove(self.source, self)

    def refuse(self, reason: str) -> None:
        """Close the connection; the caller may connect again."""
        CLOSED_CONNECTIONS.labels(reason).inc()
        if not self.transport.is_closing():
            self.transport.abort()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _LingeringTransport(transport, self)))
        self.source = self.client[0] if self.client else ""
        self._start_head_timer()
        self._pending.add(self.source, self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._pending.remove(self.source, self)
        self._cancel_head_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # discard the rest of a body that no handler reads
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._start_head_timer()

    @override
    def handle_events(self) -> None:
        super().handle_events()
        if self._is_shutting_down and self.cycle is not None:
            self.cycle.keep_alive = False

    @override
    def shutdown(self) -> None:
        """Close the connection after its current request, or after one that arrives within a second."""
        if self.transport.is_closing():
            return
        if self._is_shutting_down or not (self.cycle is None or self.cycle.response_complete):
            super().shutdown()
            return
        self._is_shutting_down = True
        self.loop.call_later(SHUTDOWN_DELAY_SECONDS, self.shutdown)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self.refuse, "head_timeout")

    def _cancel_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None


class _LingeringTransport:
    """Transport whose ``close`` waits a moment for a caller that has not sent the whole request."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedH11Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return True if nothing more is sent."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Send the buffered data and close; while the caller still sends, close only the sending side."""
        is_whole = self._protocol.conn.their_state is not h11.SEND_BODY
        if self.is_closing() or is_whole or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._protocol.loop.call_later(CLOSE_DELAY_SECONDS, self._transport.close)


class _PendingConnections:
    """Unauthenticated connections of one server, by source, the oldest first."""

    def __init__(self) -> None:
        self._by_source: dict[str, dict[BoundedH11Protocol, None]] = {}
        self._count = 0

    def add(self, source: str, connection: BoundedH11Protocol) -> None:
        own = self._by_source.setdefault(source, {})
        own[connection] = None
        self._count += 1
        if self._count > MAX_CONNECTIONS:
            self._close_oldest(max(self._by_source.values(), key=len))
        elif (
            len(own) > MAX_CONNECTIONS_PER_SOURCE
            and connection.connected_at - next(iter(own)).connected_at > MIN_AGE_SECONDS
        ):
            self._close_oldest(own)

    def remove(self, source: str, connection: BoundedH11Protocol) -> None:
        own = self._by_source.get(source, {})
        if connection in own:
            del own[connection]
            self._count -= 1
            if not own:
                del self._by_source[source]

    def _close_oldest(self, connections: dict[BoundedH11Protocol, None]) -> None:
        oldest = next(iter(connections))
        self.remove(oldest.source, oldest)
        oldest.refuse("too_many")


_PENDING: WeakKeyDictionary[ServerState, _PendingConnections] = WeakKeyDictionary()
