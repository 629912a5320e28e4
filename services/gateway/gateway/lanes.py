"""Lanes: so many at once, so many waiting, and whoever comes then is told to come back.

What waits costs memory too, and an answer that comes after the person has given up helps nobody. So both
are bounded, the waiting in time as well.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

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
        Most requests of one tenant at once, so that no tenant takes all places; ``None`` for no bound.
    """

    def __init__(
        self, name: str, *, at_once: int, waiting: int, seconds: float, share: int | None = None
    ) -> None:
        self._name = name
        self._places = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self._seconds = seconds
        self._share = share
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, tenant_key: str = "") -> AsyncIterator[None]:
        """Hold a place while the block runs.

        Raises
        ------
        Overloaded
            There are too many already, or no place became free in time.
        """
        bounds = [self._places] if self._share is None else [self._share_of(tenant_key), self._places]
        async with AsyncExitStack() as stack:
            await self._enter(stack, bounds)
            with LANE.labels(self._name).track_inprogress():
                yield

    async def _enter(self, stack: AsyncExitStack, bounds: list[asyncio.Semaphore]) -> None:
        if any(bound.locked() for bound in bounds) and self._waiting >= self._most_waiting:
            raise self._overloaded("Too many requests are waiting already.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                for bound in bounds:
                    await stack.enter_async_context(bound)
        except TimeoutError as exc:
            raise self._overloaded(f"There was no room for the request for {self._seconds:g} s.") from exc
        finally:
            self._waiting -= 1

    def _share_of(self, tenant_key: str) -> asyncio.Semaphore:
        share = self._shares.get(tenant_key)
        if share is None:
            assert self._share is not None  # noqa: S101 (the only caller asks before)
            self._shares[tenant_key] = share = asyncio.Semaphore(self._share)
        return share

    def _overloaded(self, why: str) -> Overloaded:
        SHED.labels(self._name).inc()
        return Overloaded(f"{why} Nothing was done. Try again in a moment.")
