"""Circuit breaker: stops calls to a failing system for a while and fails them immediately.

A call to a hanging system costs its caller the whole timeout and a slot among the calls in flight. After
several failures in a row the circuit opens. When the pause is over, a single trial call decides whether the
circuit closes.

Throttling is no failure: the system works, and a pause for all tenants would punish those within their share.
"""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge

__all__ = ["MAX_FAILURES", "OPEN_DELAY_SECONDS", "Breaker"]

MAX_FAILURES = 5
"""Failures in a row that open a circuit."""

SLOW_FAILURE_SECONDS = 3.0
"""A failure that takes this long counts twice: a hanging system costs callers more than a refused
connection."""

OPEN_DELAY_SECONDS = 5.0
"""Time from the opening of a circuit to the trial call."""

OPEN_CIRCUITS = Gauge(
    "tenantry_backend_circuits_open",
    "Open circuits: no call is made because the system keeps failing",
    ("system",),
)
REJECTED_CALLS = Counter(
    "tenantry_backend_rejected_total", "Calls that were not made because the circuit was open", ("system",)
)


class Breaker:
    """Circuit breaker for one system, or for one part of a system that can fail separately.

    Parameters
    ----------
    system
        Name of the system in metrics.
    now
        Monotonic clock, in seconds.
    """

    def __init__(self, system: str, now: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._now = now
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    def try_acquire(self) -> float:
        """Return 0 if a call may be made, else the seconds until the trial call.

        If it returns 0, the caller must report the outcome with :meth:`record_success`,
        :meth:`record_failure` or :meth:`release`.
        """
        if pause := self.pause:
            REJECTED_CALLS.labels(self._system).inc()
            return pause
        self._trying = self._opened_at is not None
        return 0.0

    def record_success(self) -> None:
        """Record a call that the system answered; a refusal is an answer, too."""
        self._failures = 0
        self._trying = False
        if self._opened_at is not None:
            self._opened_at = None
            OPEN_CIRCUITS.labels(self._system).dec()

    @property
    def pause(self) -> float:
        """Seconds for which calls are rejected; 0 when the next call is made."""
        if self._opened_at is None:
            return 0.0
        left = self._opened_at + OPEN_DELAY_SECONDS - self._now()
        return max(left, 1.0) if left > 0 or self._trying else 0.0

    def record_failure(self, seconds: float = 0.0) -> None:
        """Record a call that failed after ``seconds``, without an answer or with a transient failure."""
        self._failures += 2 if seconds >= SLOW_FAILURE_SECONDS else 1
        self._trying = False
        if self._failures >= MAX_FAILURES:
            if self._opened_at is None:
                OPEN_CIRCUITS.labels(self._system).inc()
            self._opened_at = self._now()

    def release(self) -> None:
        """Record a call without an outcome, because its caller disconnected or set too short a deadline."""
        self._trying = False
