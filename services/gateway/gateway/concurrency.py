"""Concurrency limiter with load shedding: bounded slots, a bounded queue and a bounded wait.

A waiting request costs memory, and an answer after the caller's timeout is useless. So the limiter bounds
both the number of waiting requests and the time that each request waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from servicekit.fair_semaphore import FairSemaphore

from .metrics import REJECTED, REQUESTS_IN_PROGRESS
from .problems import Overloaded

__all__ = ["ConcurrencyLimiter"]


class ConcurrencyLimiter:
    """Limits concurrent requests; rejects a request if the queue is full or its wait is too long.

    Parameters
    ----------
    name
        Label of the limiter in metrics.
    max_concurrent
        Maximum number of requests that are served concurrently.
    max_waiting
        Maximum number of requests that wait for a slot.
    wait_seconds
        Maximum time that a request waits.
    max_per_tenant
        Maximum number of concurrent requests of one tenant; ``None`` for no bound. With a bound one tenant
        has at most half of the queue, and tenants are served round robin.
    """

    def __init__(
        self,
        name: str,
        *,
        max_concurrent: int,
        max_waiting: int,
        wait_seconds: float,
        max_per_tenant: int | None = None,
    ) -> None:
        self._name = name
        self._slots = FairSemaphore(max_concurrent, per_tenant=max_per_tenant or max_concurrent)
        self._max_waiting = max_waiting
        self._max_waiting_per_tenant = (max_waiting + 1) // 2 if max_per_tenant else max_waiting
        self._waiting = Counter[str]()
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def acquire(self, tenant_key: str = "") -> AsyncIterator[None]:
        """Hold a slot while the block runs.

        Raises
        ------
        Overloaded
            The queue is full, or no slot became free in time.
        """
        async with AsyncExitStack() as stack:
            await self._enter(stack, tenant_key)
            with REQUESTS_IN_PROGRESS.labels(self._name).track_inprogress():
                yield

    async def _enter(self, stack: AsyncExitStack, tenant_key: str) -> None:
        if self._slots.is_locked(tenant_key) and not self._may_wait(tenant_key):
            raise self._reject("Too many requests are waiting already.")
        self._waiting[tenant_key] += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await stack.enter_async_context(self._slots.acquire(tenant_key))
        except TimeoutError as exc:
            raise self._reject(
                f"No slot became free for the request within {self._wait_seconds:g} s."
            ) from exc
        finally:
            self._waiting[tenant_key] -= 1
            if not self._waiting[tenant_key]:
                del self._waiting[tenant_key]

    def _may_wait(self, tenant_key: str) -> bool:
        return (
            self._waiting.total() < self._max_waiting
            and self._waiting[tenant_key] < self._max_waiting_per_tenant
        )

    def _reject(self, why: str) -> Overloaded:
        REJECTED.labels(self._name).inc()
        return Overloaded(f"{why} The request was not processed. Try again in a moment.")
