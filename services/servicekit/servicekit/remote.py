"""How every call leaves this process: bounded, timed, retried with jitter or spared, counted and traced.

Each adapter owns one :class:`Remote` for its external system. The one thing to get right is ``classify``:
what is called transient or busy is tried again, what is called permanent is not, and everything else is a
bug that is allowed to surface as itself.
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
from prometheus_client import Histogram

from . import deadline
from .breaker import Breaker
from .errors import RemoteRefused, RemoteUnavailable

__all__ = ["Fault", "Remote"]

P = ParamSpec("P")
T = TypeVar("T")

REMOTE_SECONDS = Histogram(
    "tenantry_remote_seconds",
    "Duration of each attempt to call an external system",
    ("system", "operation", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

_TRACER = trace.get_tracer("servicekit.remote")


class Fault(enum.Enum):
    """What an exception of a vendor's client means for the next attempt, and for the system's health."""

    TRANSIENT = "transient"
    """The system did not answer, or cannot right now."""

    BUSY = "busy"
    """It works, and wants us to come back later."""

    PERMANENT = "permanent"
    """It understood, and refused."""


class CircuitOpen(Exception):
    """The circuit is open: nothing was called."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("it keeps failing, so it is left alone for a moment")
        self.retry_after = retry_after


class Remote:
    """Calls to one external system.

    Parameters
    ----------
    system
        Its name in metrics, logs and conditions.
    classify
        Says what a vendor's exception means; ``None`` when it is not the system's fault (a bug of ours).
    timeout
        Seconds that one attempt may take; less when the request's deadline is nearer.
    attempts
        Tries in all. Only idempotent calls may go through here: all of ours are.
    concurrency
        Calls under way at once; further ones wait.
    breaks
        Whether a circuit breaker guards the system, see :mod:`.breaker`. False only where the calls of one
        process are few and paced already.
    """

    def __init__(
        self,
        system: str,
        classify: Callable[[Exception], Fault | None],
        *,
        timeout: float = 5.0,
        attempts: int = 3,
        concurrency: int = 16,
        breaks: bool = True,
    ) -> None:
        self.system = system
        self._classify = classify
        self._timeout = timeout
        self._attempts = attempts
        self._bound = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=system)
        self._breakers = defaultdict[str, Breaker](lambda: Breaker(system)) if breaks else None

    async def call(self, operation: str, call: Callable[[], Awaitable[T]], *, circuit: str = "") -> T:
        """Await ``call()`` until it succeeds, is refused, or the attempts are used up.

        Parameters
        ----------
        circuit
            A part of the system that can fail while others work: one of a few names, never a caller's words.

        Raises
        ------
        RemoteUnavailable
            The last attempt failed in a transient way, a timeout among them; or the system keeps failing and
            was not called.
        RemoteRefused
            An attempt failed in a permanent way.
        DeadlineExceeded
            The request has no time left.
        """
        try:
            async with deadline.enforced(self.system):
                return await self._try(
                    operation, call, self._breakers[circuit] if self._breakers is not None else None
                )
        except Exception as exc:
            match self._fault(exc):
                case Fault.TRANSIENT | Fault.BUSY:
                    raise RemoteUnavailable(
                        self.system,
                        operation,
                        _words(exc),
                        exc.retry_after if isinstance(exc, CircuitOpen) else None,
                    ) from exc
                case Fault.PERMANENT:
                    raise RemoteRefused(self.system, operation, _words(exc)) from exc
                case None:
                    raise

    def require_admitted(self, operation: str, *, circuit: str = "") -> None:
        """Return when a call would be made now. Ask before waiting for others who make the same call.

        Raises
        ------
        RemoteUnavailable
            The circuit is open, or somebody is trying whether it can be closed.
        """
        if self._breakers is not None and (pause := self._breakers[circuit].pause):
            raise RemoteUnavailable(self.system, operation, str(CircuitOpen(pause)), pause)

    async def call_in_thread(
        self, operation: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a synchronous SDK in this system's own threads, like :meth:`call`.

        A thread cannot be stopped: give the SDK a timeout of its own below ours, or the thread stays taken.
        """
        return await self.call(operation, self.in_thread(functools.partial(function, *args, **kwargs)))

    def in_thread(self, function: Callable[[], T]) -> Callable[[], Awaitable[T]]:
        """Return what :meth:`call` awaits to run a synchronous function in this system's own threads."""
        loop = asyncio.get_running_loop()
        return lambda: loop.run_in_executor(self._threads, function)

    def close(self) -> None:
        """Let the threads go; calls under way finish on their own."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _try(self, operation: str, call: Callable[[], Awaitable[T]], breaker: Breaker | None) -> T:
        try:
            return await self._attempt(operation, call, breaker)
        except Exception as exc:
            if not self._is_passing(exc):
                raise
            failed = exc
        # Only a call that failed pays for the machinery of further attempts; it is the first of them.
        async for attempt in stamina.retry_context(
            on=self._is_passing,
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
        async with self._bound:
            return await self._call_once(operation, call, breaker)

    async def _call_once(
        self, operation: str, call: Callable[[], Awaitable[T]], breaker: Breaker | None
    ) -> T:
        if breaker and (pause := breaker.admit()):
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
                fault = self._fault(exc)
                outcome = fault.value if fault else "error"
                raise
            else:
                return result
            finally:
                elapsed = asyncio.get_running_loop().time() - started
                REMOTE_SECONDS.labels(self.system, operation, outcome).observe(elapsed)
                span.set_attribute("outcome", outcome)
                if breaker:
                    _tell(breaker, outcome, elapsed)

    def _is_passing(self, exc: Exception) -> bool:
        return self._fault(exc) in (Fault.TRANSIENT, Fault.BUSY) and not isinstance(exc, CircuitOpen)

    def _fault(self, exc: Exception) -> Fault | None:
        if isinstance(exc, TimeoutError | CircuitOpen):
            return Fault.TRANSIENT
        return self._classify(exc)


def _tell(breaker: Breaker, outcome: str, seconds: float) -> None:
    match outcome:
        case "transient":
            breaker.failed(seconds)
        case "cancelled":
            breaker.record_neutral()
        case _:
            breaker.succeeded()


def _words(exc: Exception) -> str:
    return (" ".join(str(exc).split()) or type(exc).__name__)[:300]
