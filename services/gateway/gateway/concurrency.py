"""Lanes: so many at once, so many waiting, and whoever comes then is told to come back.

What waits costs memory too, and an answer that comes after the person has given up helps nobody. So both
are bounded, the waiting in time as well.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from servicekit.fair_semaphore import FairSemaphore

from .metrics import LANE, SHED
from .problems import Overloaded

__all__ = ["Lane"]


class Lane:
    """Lets requests in.

    Parameters
    ----------
    name
        Its name in metrics.
    at_once
        Most requests that are served at once.
    waiting
        Most requests that wait for that.
    seconds
        Longest that one waits.
    share
        Most requests of one tenant at once, so that no tenant takes all places; ``None`` for no bound. With
        it at most half of those that wait are one tenant's, and tenants have their turn one after the other.
    """

    def __init__(
        self, name: str, *, at_once: int, waiting: int, seconds: float, share: int | None = None
    ) -> None:
        self._name = name
        self._places = FairSemaphore(at_once, each=share or at_once)
        self._most_waiting = waiting
        self._most_waiting_each = (waiting + 1) // 2 if share else waiting
        self._waiting = Counter[str]()
        self._seconds = seconds

    @asynccontextmanager
    async def place(self, tenant_key: str = "") -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Raises
        ------
        Overloaded
            There are too many already, or no place became free in time.
        """
        async with AsyncExitStack() as stack:
            await self._enter(stack, tenant_key)
            with LANE.labels(self._name).track_inprogress():
                yield

    async def _enter(self, stack: AsyncExitStack, tenant_key: str) -> None:
        if self._places.locked(tenant_key) and not self._may_wait(tenant_key):
            raise self._overloaded("Too many requests are waiting already.")
        self._waiting[tenant_key] += 1
        try:
            async with asyncio.timeout(self._seconds):
                await stack.enter_async_context(self._places.acquire(tenant_key))
        except TimeoutError as exc:
            raise self._overloaded(f"There was no room for the request for {self._seconds:g} s.") from exc
        finally:
            self._waiting[tenant_key] -= 1
            if not self._waiting[tenant_key]:
                del self._waiting[tenant_key]

    def _may_wait(self, tenant_key: str) -> bool:
        return (
            self._waiting.total() < self._most_waiting and self._waiting[tenant_key] < self._most_waiting_each
        )

    def _overloaded(self, why: str) -> Overloaded:
        SHED.labels(self._name).inc()
        return Overloaded(f"{why} Nothing was done. Try again in a moment.")
