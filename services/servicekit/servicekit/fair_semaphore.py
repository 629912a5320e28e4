"""Semaphore that serves waiting tenants round robin."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["FairSemaphore"]


class FairSemaphore:
    """Semaphore with a limit in total and per tenant; waiting tenants are served round robin.

    Parameters
    ----------
    total
        Number of slots.
    per_tenant
        Maximum number of slots that one tenant holds.
    """

    def __init__(self, total: int, *, per_tenant: int) -> None:
        self.per_tenant = per_tenant
        self._free = total
        self._held = Counter[str]()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def is_locked(self, tenant_id: str) -> bool:
        """Return True if a tenant would wait for a slot."""
        return not self._free or self._held[tenant_id] >= self.per_tenant

    @asynccontextmanager
    async def acquire(self, tenant_id: str) -> AsyncIterator[None]:
        """Hold a slot while the block runs."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant_id, deque()).append(turn)
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(tenant_id)
            raise
        try:
            yield
        finally:
            self._release(tenant_id)

    def _release(self, tenant_id: str) -> None:
        self._free += 1
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
        self._grant()

    def _grant(self) -> None:
        while self._free and (tenant_id := self._find_next()) is not None:
            turns = self._waiting[tenant_id]
            turn = turns.popleft()
            # Move the tenant that was served behind the others.
            self._waiting.move_to_end(tenant_id)
            if not turns:
                del self._waiting[tenant_id]
            if not turn.cancelled():
                turn.set_result(None)
                self._free -= 1
                self._held[tenant_id] += 1

    def _find_next(self) -> str | None:
        return next(
            (tenant_id for tenant_id in self._waiting if self._held[tenant_id] < self.per_tenant), None
        )
