"""Queue of tenants to sync: changed tenants first, then the tenants of a full sync.

A tenant is never synced twice at the same time. A tenant that changes during its sync is synced once more.
"""

import asyncio
import random
from collections.abc import Iterable

from ..metrics import QUEUE

__all__ = ["Schedule"]

BACKOFF_DELAY_SECONDS = (2.0, 300.0)
"""Bounds of the backoff after an incomplete sync: the backoff is the time since the first such sync."""

JITTER_FACTORS = (0.75, 1.25)
"""Smallest and largest factor by which a backoff is multiplied."""


class Schedule:
    """Tenants that wait for a sync, each once."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._full_sync: dict[str, None] = {}
        self._running: dict[str, bool] = {}
        self._backing_off: dict[str, asyncio.TimerHandle] = {}
        self._incomplete_since: dict[str, float] = {}
        self._enqueued = asyncio.Event()

    @property
    def has_waiting(self) -> bool:
        """True if a changed tenant waits for its sync."""
        return bool(self._changed)

    def has_changed(self, tenant_id: str) -> bool:
        """Return True if a tenant changed during its sync, so that it is synced once more."""
        return self._running.get(tenant_id, False)

    def enqueue_changed(self, tenant_ids: Iterable[str]) -> None:
        """Enqueue changed tenants before the tenants of a full sync, and end their backoff."""
        for tenant_id in tenant_ids:
            if tenant_id in self._running:
                self._running[tenant_id] = True
                continue
            self._cancel_backoff(tenant_id)
            self._full_sync.pop(tenant_id, None)
            self._changed[tenant_id] = None
        self._notify()

    def enqueue_full_sync(self, tenant_ids: Iterable[str]) -> None:
        """Enqueue tenants after all changed tenants, unless they already wait, run or back off."""
        for tenant_id in tenant_ids:
            if not any(tenant_id in group for group in (self._changed, self._running, self._backing_off)):
                self._full_sync[tenant_id] = None
        self._notify()

    async def get(self) -> str:
        """Return the next tenant; the caller must call :meth:`mark_done` at the end."""
        while not (self._changed or self._full_sync):
            self._enqueued.clear()
            await self._enqueued.wait()
        queue = self._changed or self._full_sync
        tenant_id = next(iter(queue))
        del queue[tenant_id]
        self._running[tenant_id] = False
        self._notify()
        return tenant_id

    def mark_done(
        self, tenant_id: str, *, complete: bool, retry_after: float = 0.0, progress: bool = False
    ) -> None:
        """Record the end of a sync, and enqueue the tenant again if necessary.

        Parameters
        ----------
        complete
            True if no action remains. Otherwise the tenant is synced again after a backoff.
        retry_after
            Seconds until n8n may be called again. The tenant backs off for exactly this time.
        progress
            True if at least one action succeeded: then the tenant is synced again immediately.
        """
        changed, now = self._running.pop(tenant_id), asyncio.get_running_loop().time()
        if complete or progress or retry_after > 0:
            self._incomplete_since.pop(tenant_id, None)
            delay = retry_after
        else:
            shortest, longest = BACKOFF_DELAY_SECONDS
            # Measure in time and not in runs, because each change adds a run.
            delay = min(max(now - self._incomplete_since.setdefault(tenant_id, now), shortest), longest)
            delay *= random.uniform(*JITTER_FACTORS)  # noqa: S311 (jitter, not a secret)
        if changed:
            self.enqueue_changed([tenant_id])
        elif not complete:
            self._delay(tenant_id, delay)
        self._notify()

    def close(self) -> None:
        """Remove all tenants and cancel all timers."""
        for timer in self._backing_off.values():
            timer.cancel()
        for group in (
            self._changed,
            self._full_sync,
            self._running,
            self._backing_off,
            self._incomplete_since,
        ):
            group.clear()
        self._notify()

    def _delay(self, tenant_id: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._backing_off[tenant_id] = loop.call_later(seconds, self.enqueue_changed, [tenant_id])

    def _cancel_backoff(self, tenant_id: str) -> None:
        if timer := self._backing_off.pop(tenant_id, None):
            timer.cancel()

    def _notify(self) -> None:
        """Wake a waiting :meth:`get`, and publish the number of tenants in each state."""
        self._enqueued.set()
        for state, group in (
            ("changed", self._changed),
            ("full-sync", self._full_sync),
            ("running", self._running),
            ("backoff", self._backing_off),
        ):
            QUEUE.labels(state).set(len(group))
