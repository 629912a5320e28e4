"""Whose turn it is: tenants that changed first, then those that are only looked at from time to time.

A tenant is never compared twice at a time: one that changes meanwhile is compared once more afterwards.
"""

import asyncio
import random
from collections.abc import Iterable

from ..metrics import QUEUE

__all__ = ["Schedule"]

REST_SECONDS = (2.0, 300.0)
"""Shortest and longest rest of a tenant that could not be settled; in between, as long as it has been so."""


class Schedule:
    """Tenants that wait for their comparison, each once."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._routine: dict[str, None] = {}
        self._running: dict[str, bool] = {}
        self._resting: dict[str, asyncio.TimerHandle] = {}
        self._unsettled_since: dict[str, float] = {}
        self._news = asyncio.Event()

    @property
    def others_wait(self) -> bool:
        """Whether somebody waits of whom it is known that there is something to do."""
        return bool(self._changed)

    def has_changed(self, tenant_id: str) -> bool:
        """Tell whether a tenant changed while it is compared: it is compared once more afterwards."""
        return self._running.get(tenant_id, False)

    def change(self, tenant_ids: Iterable[str]) -> None:
        """Let tenants be compared as soon as there is room."""
        for tenant_id in tenant_ids:
            if tenant_id in self._running:
                self._running[tenant_id] = True
                continue
            self._wake(tenant_id)
            self._routine.pop(tenant_id, None)
            self._changed[tenant_id] = None
        self._tell()

    def visit(self, tenant_ids: Iterable[str]) -> None:
        """Let tenants be compared when nobody else has something to do."""
        for tenant_id in tenant_ids:
            if not any(tenant_id in place for place in (self._changed, self._running, self._resting)):
                self._routine[tenant_id] = None
        self._tell()

    async def next(self) -> str:
        """Return the tenant whose turn it is; whoever takes it says :meth:`done` in the end."""
        while not (self._changed or self._routine):
            self._news.clear()
            await self._news.wait()
        queue = self._changed or self._routine
        tenant_id = next(iter(queue))
        del queue[tenant_id]
        self._running[tenant_id] = False
        self._tell()
        return tenant_id

    def done(self, tenant_id: str, *, settled: bool, closed_for: float = 0.0, progress: bool = False) -> None:
        """Note the end of a comparison.

        Parameters
        ----------
        settled
            Whether nothing is left to be done. Otherwise the tenant is compared again after a rest.
        closed_for
            Seconds until the door opens. The tenant rests so long and no longer: how patient one must be is
            known there.
        progress
            Whether something was done: then it goes on at once.
        """
        changed, now = self._running.pop(tenant_id), asyncio.get_running_loop().time()
        if settled or progress or closed_for > 0:
            self._unsettled_since.pop(tenant_id, None)
            pause = closed_for
        else:
            shortest, longest = REST_SECONDS
            # By the clock and not by the number of comparisons: a change makes one more of those.
            pause = min(max(now - self._unsettled_since.setdefault(tenant_id, now), shortest), longest)
            pause *= random.uniform(0.75, 1.25)  # noqa: S311 (jitter, not a secret)
        if changed:
            self.change([tenant_id])
        elif not settled:
            self._rest(tenant_id, pause)
        self._tell()

    def close(self) -> None:
        """Forget all; nobody rests any more."""
        for timer in self._resting.values():
            timer.cancel()
        for place in (self._changed, self._routine, self._running, self._resting, self._unsettled_since):
            place.clear()
        self._tell()

    def _rest(self, tenant_id: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._resting[tenant_id] = loop.call_later(seconds, self.change, [tenant_id])

    def _wake(self, tenant_id: str) -> None:
        if timer := self._resting.pop(tenant_id, None):
            timer.cancel()

    def _tell(self) -> None:
        self._news.set()
        for name, place in (
            ("changed", self._changed),
            ("routine", self._routine),
            ("running", self._running),
            ("resting", self._resting),
        ):
            QUEUE.labels(name).set(len(place))
