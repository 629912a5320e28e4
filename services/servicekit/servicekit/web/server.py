"""HTTP protocol of the services' servers: uvicorn's, with bounds on connections that prove nobody.

uvicorn bounds the size of a request's head and how long a connection may be idle. It does not bound how long
a head may take, nor how many connections wait for one.
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

__all__ = ["CLOSED", "BoundedH11Protocol"]

HEAD_SECONDS = 10.0
"""Longest time from a request's first byte, or from the connection, to the end of its head."""

ARRIVAL_SECONDS = 2.0
"""How long a connection has at least to prove somebody, unless there are too many in all."""

PER_SOURCE = 128
"""Most connections of one address that have proven nobody. Behind a proxy all callers have its address."""

LINGER_SECONDS = 1.0
"""How long a connection that the server ends is kept for a caller who still sends. Closed sooner, TCP resets
it, and the answer is lost on its way."""

LEAVE_SECONDS = 1.0
"""How long an idle connection stays open when the server stops: a request may be on its way on it. Closed at
once, TCP resets it, and the caller cannot know whether the request was handled."""

IN_ALL = 512
"""Most connections that have proven nobody."""

CLOSED = Counter(
    "tenantry_connections_closed_total",
    "Connections closed before they proved anybody, by reason: head (it took too long), crowd (too many)",
    ("reason",),
)


class BoundedH11Protocol(H11Protocol):
    """Serves one connection.

    The application finds it as ``connection`` in a request's state, and calls :meth:`admit` when the caller
    is proven. Of connections that have proven nobody only so many are kept. The oldest makes room for the
    newest, so those who come with a token always find room.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, "connection": self}, _loop)
        self._arrivals = _ARRIVALS.setdefault(server_state, _Arrivals())
        self._head_timer: asyncio.TimerHandle | None = None
        self._leaves = False
        self.source = ""
        self.arrived_at = self.loop.time()

    def admit(self) -> None:
        """Count the connection as one that has proven somebody, from now on."""
        self._arrivals.remove(self.source, self)

    def refuse(self, reason: str) -> None:
        """Close the connection; the caller may try again."""
        CLOSED.labels(reason).inc()
        if not self.transport.is_closing():
            self.transport.abort()

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _LingeringTransport(transport, self)))
        self.source = self.client[0] if self.client else ""
        self._await_head()
        self._arrivals.add(self.source, self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._arrivals.remove(self.source, self)
        self._cancel_timer()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # the rest of a body that nobody reads
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._cancel_timer()
        elif self._head_timer is None:
            self._await_head()

    @override
    def handle_events(self) -> None:
        super().handle_events()
        if self._leaves and self.cycle is not None:
            self.cycle.keep_alive = False

    @override
    def shutdown(self) -> None:
        """End the connection after the request that it has, or that comes within a second."""
        if self.transport.is_closing():
            return
        if self._leaves or not (self.cycle is None or self.cycle.response_complete):
            super().shutdown()
            return
        self._leaves = True
        self.loop.call_later(LEAVE_SECONDS, self.shutdown)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.refuse, "head")

    def _cancel_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None


class _LingeringTransport:
    """Transport whose ``close`` waits a moment for a caller who has not sent the whole request."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedH11Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether nothing more is sent."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Send what is left; then close, or end only the sending while the caller goes on."""
        is_whole = self._protocol.conn.their_state is not h11.SEND_BODY
        if self.is_closing() or is_whole or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        self._transport.write_eof()
        self._transport.resume_reading()
        self._protocol.loop.call_later(LINGER_SECONDS, self._transport.close)


class _Arrivals:
    """Connections of one server that have proven nobody, by source, the oldest first."""

    def __init__(self) -> None:
        self._by_source: dict[str, dict[BoundedH11Protocol, None]] = {}
        self._count = 0

    def add(self, source: str, connection: BoundedH11Protocol) -> None:
        own = self._by_source.setdefault(source, {})
        own[connection] = None
        self._count += 1
        if self._count > IN_ALL:
            self._close_oldest(max(self._by_source.values(), key=len))
        elif len(own) > PER_SOURCE and connection.arrived_at - next(iter(own)).arrived_at > ARRIVAL_SECONDS:
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
        oldest.refuse("crowd")


_ARRIVALS: WeakKeyDictionary[ServerState, _Arrivals] = WeakKeyDictionary()
