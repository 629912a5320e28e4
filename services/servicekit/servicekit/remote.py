"""Calls to external systems, with timeout, retries with jitter, circuit breaker, metrics and tracing.

Each adapter owns one :class:`Remote` for its system and passes ``classify``. Transient and busy failures are
retried, permanent ones are not. Any other exception is a bug and is raised unchanged.
"""

import asyncio
import enum
import functools
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import stamina
from opentelemetry import trace
from prometheus_client import Counter, Histogram

from . import deadline
from .breaker import REJECTED_CALLS, Breaker
from .errors import BackendRefused, BackendUnavailable
from .series import create_series

__all__ = ["FailureClass", "Remote"]

P = ParamSpec("P")
T = TypeVar("T")

BACKEND_SECONDS = Histogram(
    "tenantry_backend_seconds",
    "Duration of each attempt to call a backend",
    ("system", "operation", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

FAILURES = Counter(
    "tenantry_backend_failures_total",
    "Failed attempts to call a backend: transient (no answer), busy (throttled) or permanent (refused)",
    ("system", "outcome"),
)

WAITING_CALLS = Counter(
    "tenantry_backend_waiting_calls_total",
    "Attempts to call a backend that waited, because as many calls as allowed were in progress. Each call in "
    "progress has a connection",
    ("system",),
)

_TRACER = trace.get_tracer("servicekit.remote")


class FailureClass(enum.Enum):
    """Class of a failed call, which decides about retries."""

    TRANSIENT = "transient"
    """The system did not answer, or is unavailable."""

    BUSY = "busy"
    """The system works and throttles the caller."""

    PERMANENT = "permanent"
    """The system refused the call."""


FAILURE_CLASSES = tuple(each.value for each in FailureClass)
"""Outcomes of a failed call, as labels."""


class CircuitOpen(Exception):
    """The circuit is open, so no call was made."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the circuit breaker is open after repeated failures")
        self.retry_after = retry_after


class Remote:
    """Calls to one external system.

    Parameters
    ----------
    system
        Name of the system in metrics, logs and conditions.
    classify
        Returns the failure class of a vendor's exception; ``None`` for a bug in our code.
    timeout
        Longest duration of an attempt, in seconds; shorter if the request's deadline is nearer.
    attempts
        Maximum number of attempts per call. Calls must be idempotent.
    concurrency
        Maximum number of calls in flight; further calls wait.
    circuit_breaker
        True to use a circuit breaker for the system, see :mod:`.breaker`. False only if the process makes few
        calls and something else limits their rate.
    """

    def __init__(
        self,
        system: str,
        classify: Callable[[Exception], FailureClass | None],
        *,
        timeout: float = 5.0,
        attempts: int = 3,
        concurrency: int = 16,
        circuit_breaker: bool = True,
    ) -> None:
        self.system = system
        self._classify = classify
        self._timeout = timeout
        self._attempts = attempts
        self._bound = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=system)
        self._breakers = defaultdict[str, Breaker](lambda: Breaker(system)) if circuit_breaker else None
        create_series(FAILURES, (system,), FAILURE_CLASSES)
        create_series(REJECTED_CALLS, (system,))
        create_series(WAITING_CALLS, (system,))

    async def call(self, operation: str, call: Callable[[], Awaitable[T]], *, circuit: str = "") -> T:
        """Await ``call()`` until it succeeds, is refused, or no attempt is left.

        Parameters
        ----------
        circuit
            Name of the system's part that is called and can fail separately; never a caller's input.

        Raises
        ------
        BackendUnavailable
            The last attempt failed with a transient failure, for example a timeout; or the circuit is open.
        BackendRefused
            An attempt failed with a permanent failure.
        DeadlineExceeded
            The request's deadline was reached.
        """
        try:
            async with deadline.enforce(self.system):
                return await self._try(
                    operation, call, self._breakers[circuit] if self._breakers is not None else None
                )
        except Exception as exc:
            match self._classify_failure(exc):
                case FailureClass.TRANSIENT | FailureClass.BUSY:
                    raise BackendUnavailable(
                        self.system,
                        operation,
                        _format_message(exc),
                        exc.retry_after if isinstance(exc, CircuitOpen) else None,
                    ) from exc
                case FailureClass.PERMANENT:
                    raise BackendRefused(self.system, operation, _format_message(exc)) from exc
                case None:
                    raise

    def require_closed_circuit(self, operation: str, *, circuit: str = "") -> None:
        """Raise if the circuit would reject a call now. Use it before a wait for another task's equal call.

        Raises
        ------
        BackendUnavailable
            The circuit is open, or a trial call is in flight.
        """
        if self._breakers is not None and (pause := self._breakers[circuit].pause):
            raise BackendUnavailable(self.system, operation, str(CircuitOpen(pause)), pause)

    async def call_in_thread(
        self, operation: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a synchronous SDK in this system's threads, like :meth:`call`.

        A thread cannot be stopped. Give the SDK a shorter timeout, or the thread stays occupied.
        """
        return await self.call(operation, self.make_thread_call(functools.partial(function, *args, **kwargs)))

    def make_thread_call(self, function: Callable[[], T]) -> Callable[[], Awaitable[T]]:
        """Return an awaitable for :meth:`call` that runs a synchronous function in this system's threads."""
        loop = asyncio.get_running_loop()
        return lambda: loop.run_in_executor(self._threads, function)

    def close(self) -> None:
        """Release the threads; calls in flight are completed."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _try(self, operation: str, call: Callable[[], Awaitable[T]], breaker: Breaker | None) -> T:
        try:
            return await self._attempt(operation, call, breaker)
        except Exception as exc:
            if not self._is_retryable(exc):
                raise
            failed = exc
        # Only failed calls pay for the retry machinery; the failed call counts as the first attempt.
        async for attempt in stamina.retry_context(
            on=self._is_retryable,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.1,
            wait_max=2.0,
            wait_jitter=0.5,
        ):
            with attempt:
                if attempt.num == 1:
                    raise failed
                return await self._attempt(operation, call, breaker)
        raise AssertionError("unreachable: the retry loop returns or raises")

    async def _attempt(self, operation: str, call: Callable[[], Awaitable[T]], breaker: Breaker | None) -> T:
        if self._bound.locked():
            WAITING_CALLS.labels(self.system).inc()
        async with self._bound:
            return await self._call_once(operation, call, breaker)

    async def _call_once(
        self, operation: str, call: Callable[[], Awaitable[T]], breaker: Breaker | None
    ) -> T:
        if breaker and (pause := breaker.try_acquire()):
            raise CircuitOpen(pause)
        started = asyncio.get_running_loop().time()
        outcome = "cancelled"
        with _TRACER.start_as_current_span(
            f"{self.system} {operation}", kind=trace.SpanKind.CLIENT, record_exception=False
        ) as span:
            try:
                async with asyncio.timeout(self._timeout):
                    result = await call()
                outcome = "ok"
            except Exception as exc:
                failure_class = self._classify_failure(exc)
                outcome = failure_class.value if failure_class else "error"
                raise
            else:
                return result
            finally:
                elapsed = asyncio.get_running_loop().time() - started
                BACKEND_SECONDS.labels(self.system, operation, outcome).observe(elapsed)
                if outcome in FAILURE_CLASSES:
                    FAILURES.labels(self.system, outcome).inc()
                span.set_attribute("outcome", outcome)
                if breaker:
                    _record(breaker, outcome, elapsed)

    def _is_retryable(self, exc: Exception) -> bool:
        return self._classify_failure(exc) in (FailureClass.TRANSIENT, FailureClass.BUSY) and not isinstance(
            exc, CircuitOpen
        )

    def _classify_failure(self, exc: Exception) -> FailureClass | None:
        if isinstance(exc, TimeoutError | CircuitOpen):
            return FailureClass.TRANSIENT
        return self._classify(exc)


def _record(breaker: Breaker, outcome: str, seconds: float) -> None:
    match outcome:
        case "transient":
            breaker.record_failure(seconds)
        case "cancelled":
            breaker.release()
        case _:
            breaker.record_success()


def _format_message(exc: Exception) -> str:
    return (" ".join(str(exc).split()) or type(exc).__name__)[:300]
