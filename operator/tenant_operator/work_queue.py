"""Work queue of Tenants: order, concurrency, retries and backoff.

A key is in the queue at most once, and one worker at a time works on it. A change during the work enqueues
the key again, so the newest state always wins and no change is lost. Urgent keys go first: after a restart, a
new Tenant does not wait behind ten thousand Tenants that are already as declared.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from .metrics import QUEUED, RECONCILE_SECONDS, RECONCILES
from .reconcile import Outcome

__all__ = ["BackoffPolicy", "WorkQueue"]


class BackoffPolicy:
    """Delay before the next retry of a Tenant: exponential with jitter, or fixed.

    Parameters
    ----------
    first_delay, max_delay
        Bounds in seconds of the exponential delay after temporary failures.
    stalled_delay
        Delay in seconds after a failure that a person has to fix.
    """

    def __init__(self, first_delay: float, max_delay: float, stalled_delay: float) -> None:
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._stalled_delay = stalled_delay

    def get_delay(self, outcome: Outcome, failures: int) -> float | None:
        """Return the delay in seconds after a number of failures in a row; ``None`` for no retry."""
        failure = outcome.failure
        if failure is None:
            return None
        if failure.permanent:
            return self._stalled_delay
        upper = min(self._max_delay, self._first_delay * 2.0 ** min(failures - 1, 30))
        # Half fixed, half random: Tenants that failed together do not retry together.
        delay = random.uniform(upper / 2, upper)  # noqa: S311 (jitter, not a secret)
        # Wait at least as long as the system asks for, but keep the backoff. An open circuit asks for a few
        # seconds. Without backoff, every Tenant's reconcile would run every few seconds, on the working
        # systems too.
        return max(delay, failure.retry_after or 0.0)


class WorkQueue:
    """Calls ``reconcile`` for every key that is enqueued.

    Parameters
    ----------
    reconcile
        Reconciles one Tenant by name. An exception counts as a temporary failure.
    backoff
        Delays after failures.
    concurrency
        Number of workers.
    """

    def __init__(
        self, reconcile: Callable[[str], Awaitable[Outcome]], backoff: BackoffPolicy, concurrency: int
    ) -> None:
        self._reconcile = reconcile
        self._backoff = backoff
        self._concurrency = concurrency
        self._urgent: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._working: set[str] = set()
        self._changed_meanwhile: dict[str, bool] = {}  # during the work on the key; True if urgent
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._log = structlog.get_logger("tenant_operator.work_queue")

    def enqueue(self, key: str, *, urgent: bool = False) -> None:
        """Enqueue a key; this replaces a pending retry."""
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()
        if key in self._working:
            self._changed_meanwhile[key] = self._changed_meanwhile.get(key, False) or urgent
            return
        if urgent:
            self._failures.pop(key, None)  # failures of a Tenant that was replaced
            self._waiting.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._waiting[key] = None
        QUEUED.set(len(self._urgent) + len(self._waiting))
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Run the workers until cancelled; this cancels reconciles that are running."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._concurrency):
                workers.create_task(self._run_worker())

    async def wait_idle(self) -> None:
        """Return when no key waits and no worker works; scheduled retries do not count."""
        while self._urgent or self._waiting or self._working:
            self._idle.clear()
            await self._idle.wait()

    async def _run_worker(self) -> None:
        while True:
            key = await self._take_next()
            self._working.add(key)
            try:
                outcome = await self._run_one(key)
            finally:
                self._working.discard(key)
            self._schedule(key, outcome)
            if not (self._urgent or self._waiting or self._working):
                self._idle.set()

    async def _take_next(self) -> str:
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
            except Exception as exc:  # noqa: BLE001 (counted and retried: one Tenant must not stop the others)
                RECONCILES.labels("error").inc()
                self._log.exception("A reconcile failed", tenant=key, error=str(exc))
                return None
        RECONCILES.labels(outcome.name).inc()
        return outcome

    def _schedule(self, key: str, outcome: Outcome | None) -> None:
        failures = self._failures.pop(key, 0) + 1
        delay = self._backoff.get_delay(outcome or _UNEXPECTED, failures)
        if delay is not None:
            self._failures[key] = failures
        if key in self._changed_meanwhile:
            self.enqueue(key, urgent=self._changed_meanwhile.pop(key))
        elif delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._retry, key)

    def _retry(self, key: str) -> None:
        self._timers.pop(key, None)
        self.enqueue(key)


_UNEXPECTED = Outcome.build_unexpected()
