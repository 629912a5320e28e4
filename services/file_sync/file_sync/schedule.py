"""Whose turn it is: tenants that changed first, then those that are only looked at from time to time.

A tenant is never compared twice at a time: one that changes meanwhile is compared once more afterwards.
"""

import asyncio
import random
from collections.abc import Iterable

from .metrics import QUEUE

__all__ = ["Schedule"]

REST_SECONDS = (2.0, 300.0)
"""Shortest and longest pause of a tenant that could not be settled; twice as long each time."""


class Schedule:
    """Tenants that wait for their comparison, each once."""

    def __init__(self) -> None:
        self._changed: dict[str, None] = {}
        self._routine: dict[str, None] = {}
        self._running: dict[str, bool] = {}
        self._resting: dict[str, asyncio.TimerHandle] = {}
        self._tries: dict[str, int] = {}
        self._news = asyncio.Event()

    @property
    def others_wait(self) -> bool:
        """Whether somebody waits of whom it is known that there is something to do."""
        return bool(self._changed)

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

    def done(self, tenant_id: str, *, settled: bool, at_least: float = 0.0, progress: bool = False) -> None:
        """Note the end of a comparison.

        Parameters
        ----------
        settled
            Whether nothing is left to be done. Otherwise the tenant is compared again after a rest.
        at_least
            Shortest rest, in seconds.
        progress
            Whether something was done: then the rest is a short one.
        """
        changed = self._running.pop(tenant_id)
        tries = 0 if settled or progress or changed else self._tries.pop(tenant_id, 0) + 1
        if tries:
            self._tries[tenant_id] = tries
        else:
            self._tries.pop(tenant_id, None)
        if changed:
            self.change([tenant_id])
        elif not settled:
            shortest, longest = REST_SECONDS
            pause = min(shortest * 2 ** max(tries - 1, 0), longest) if tries else 0.0
            pause *= random.uniform(0.75, 1.25)  # noqa: S311 (jitter, not a secret)
            self._rest(tenant_id, max(pause, at_least))
        self._tell()

    def close(self) -> None:
        """Forget all; nobody rests any more."""
        for timer in self._resting.values():
            timer.cancel()
        for place in (self._changed, self._routine, self._running, self._resting, self._tries):
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
