"""Circuit breakers: a system that keeps failing is left alone for a while, and callers are told at once.

A call to a system that hangs costs its caller the whole timeout, and us a place among the calls under way.
After some failures in a row nothing is called any more; when the pause is over, one single call may try, and
what becomes of it decides for all others.

That a system is busy (throttles us) is no failure: it works, and a pause for everybody would punish those
who are within their share.
"""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge

__all__ = ["FAILURES", "PAUSE_SECONDS", "Breaker"]

FAILURES = 5
"""Failures in a row that open a circuit."""

HUNG_SECONDS = 3.0
"""A failure that took so long counts twice: a system that hangs costs callers more than one that is gone."""

PAUSE_SECONDS = 5.0
"""How long an open circuit lets nothing through."""

OPEN = Gauge(
    "tenantry_remote_circuits_open",
    "Circuits that let no call through because the system keeps failing",
    ("system",),
)
SPARED = Counter(
    "tenantry_remote_spared_total", "Calls that were not made because the circuit was open", ("system",)
)


class Breaker:
    """The circuit to one system, or to one part of it that can fail alone.

    Parameters
    ----------
    system
        Its name in metrics.
    now
        A clock that never goes back, in seconds.
    """

    def __init__(self, system: str, now: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._now = now
        self._failures = 0
        self._opened_at: float | None = None
        self._trying = False

    def admit(self) -> float:
        """Return 0 when a call may be made, else the seconds until the next one may try.

        The caller then reports the outcome: :meth:`succeeded`, :meth:`failed` or :meth:`record_neutral`.
        """
        if pause := self.pause:
            SPARED.labels(self._system).inc()
            return pause
        self._trying = self._opened_at is not None
        return 0.0

    def succeeded(self) -> None:
        """Note a call that was answered, be it with a refusal: the system works."""
        self._failures = 0
        self._trying = False
        if self._opened_at is not None:
            self._opened_at = None
            OPEN.labels(self._system).dec()

    @property
    def pause(self) -> float:
        """Seconds for which no further call will be let in, 0 when the next one may be made or may try."""
        if self._opened_at is None:
            return 0.0
        left = self._opened_at + PAUSE_SECONDS - self._now()
        return max(left, 1.0) if left > 0 or self._trying else 0.0

    def failed(self, seconds: float = 0.0) -> None:
        """Note a call that was not answered, or answered with "I cannot", after so many seconds."""
        self._failures += 2 if seconds >= HUNG_SECONDS else 1
        self._trying = False
        if self._failures >= FAILURES:
            if self._opened_at is None:
                OPEN.labels(self._system).inc()
            self._opened_at = self._now()

    def record_neutral(self) -> None:
        """Note a call that tells nothing: its caller went away, or gave it too little time."""
        self._trying = False
