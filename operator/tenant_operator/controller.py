"""The work queue: which Tenant is reconciled when, and how often again.

A key waits at most once, and is worked on by one worker at a time. What changes while it is worked on
makes it wait again, so the newest state always wins and nothing is missed. Tenants that have never been
reconciled go first: on a restart nobody new waits behind ten thousand that are as they should be.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from .metrics import QUEUED, RECONCILE_SECONDS, RECONCILES
from .reconcile import Outcome

__all__ = ["Controller", "Pauses"]


class Pauses:
    """How long to wait before a Tenant is tried again.

    Parameters
    ----------
    first, longest
        Bounds in seconds of the exponential pause after failures that may pass.
    stalled
        Pause in seconds after a failure that a person has to mend.
    """

    def __init__(self, first: float, longest: float, stalled: float) -> None:
        self._first = first
        self._longest = longest
        self._stalled = stalled

    def after(self, outcome: Outcome, failures: int) -> float | None:
        """Return the pause in seconds after the given number of failures in a row; ``None`` for none."""
        failure = outcome.failure
        if failure is None:
            return None
        if failure.permanent:
            return self._stalled
        highest = min(self._longest, self._first * 2.0 ** min(failures - 1, 30))
        # Half fixed, half random: many Tenants that failed together do not come back together.
        pause = random.uniform(highest / 2, highest)  # noqa: S311 (jitter, not a secret)
        # Never sooner than the system wishes, and never only that: a circuit that is open for seconds would
        # have every Tenant reconciled again, on the systems that work, every few seconds for as long.
        return max(pause, failure.retry_after or 0.0)


class Controller:
    """Calls ``reconcile`` for every key that is enqueued.

    Parameters
    ----------
    reconcile
        Brings one Tenant, by name, up to date. What it raises counts as a failure that may pass.
    pauses
        How long to wait after failures.
    concurrency
        Tenants worked on at once.
    """

    def __init__(
        self, reconcile: Callable[[str], Awaitable[Outcome]], pauses: Pauses, concurrency: int
    ) -> None:
        self._reconcile = reconcile
        self._pauses = pauses
        self._concurrency = concurrency
        self._urgent: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._working: set[str] = set()
        self._again: dict[str, bool] = {}
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._log = structlog.get_logger("tenant_operator.controller")

    def enqueue(self, key: str, *, urgent: bool = False) -> None:
        """Have a Tenant reconciled as soon as a worker is free; a pending retry is brought forward."""
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()
        if key in self._working:
            self._again[key] = self._again.get(key, False) or urgent
            return
        if urgent:
            self._failures.pop(key, None)  # of an earlier Tenant of the name, or before this one was replaced
            self._waiting.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._waiting[key] = None
        QUEUED.set(len(self._urgent) + len(self._waiting))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is cancelled, too, and done again by the next run."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._work())

    async def wait_idle(self) -> None:
        """Return when nothing waits and nothing is worked on; retries still to come do not count."""
        while self._urgent or self._waiting or self._working:
            self._idle.clear()
            await self._idle.wait()

    async def _work(self) -> None:
        while True:
            key = await self._next()
            self._working.add(key)
            try:
                outcome = await self._run_one(key)
            finally:
                self._working.discard(key)
            self._schedule(key, outcome)
            if not (self._urgent or self._waiting or self._working):
                self._idle.set()

    async def _next(self) -> str:
        while not (self._urgent or self._waiting):
            self._wake.clear()
            await self._wake.wait()
        key, _ = (self._urgent or self._waiting).popitem(last=False)
        QUEUED.set(len(self._urgent) + len(self._waiting))
        return key

    async def _run_one(self, key: str) -> Outcome | None:
        with RECONCILE_SECONDS.time():
            try:
                outcome = await self._reconcile(key)
            except Exception as exc:  # noqa: BLE001 (counted and tried again: one Tenant must not stop the rest)
                RECONCILES.labels("error").inc()
                self._log.exception("A reconcile failed", tenant=key, error=str(exc))
                return None
        RECONCILES.labels(outcome.name).inc()
        return outcome

    def _schedule(self, key: str, outcome: Outcome | None) -> None:
        failures = self._failures.pop(key, 0) + 1
        pause = self._pauses.after(outcome or _UNFORESEEN, failures)
        if pause is not None:
            self._failures[key] = failures
        if key in self._again:
            self.enqueue(key, urgent=self._again.pop(key))
        elif pause is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(pause, self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.enqueue(key)


_UNFORESEEN = Outcome.unforeseen()
