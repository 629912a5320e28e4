"""How every call leaves this process: bounded, timed, retried with jitter, counted.

Each adapter owns one :class:`Remote` for its external system. The one thing to get right is ``classify``:
what is called transient is tried again, what is called permanent is not, and everything else is a bug
that is allowed to surface as itself.
"""

import asyncio
import enum
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import stamina
from prometheus_client import Histogram

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


class Fault(enum.Enum):
    """What an exception of a vendor's client means for the next attempt."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Remote:
    """Calls to one external system.

    Parameters
    ----------
    system
        Its name in metrics, logs and conditions.
    classify
        Says what a vendor's exception means; ``None`` when it is not the system's fault (a bug of ours).
    timeout
        Seconds that one attempt may take.
    attempts
        Tries in all. Only idempotent calls may go through here: all of ours are.
    concurrency
        Calls under way at once; further ones wait.
    """

    def __init__(
        self,
        system: str,
        classify: Callable[[Exception], Fault | None],
        *,
        timeout: float = 5.0,
        attempts: int = 3,
        concurrency: int = 16,
    ) -> None:
        self.system = system
        self._classify = classify
        self._timeout = timeout
        self._attempts = attempts
        self._bound = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=system)

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await ``call()`` until it succeeds, is refused, or the attempts are used up.

        Raises
        ------
        RemoteUnavailable
            The last attempt failed in a transient way, a timeout among them.
        RemoteRefused
            An attempt failed in a permanent way.
        """
        try:
            async for attempt in stamina.retry_context(
                on=self._is_transient,
                attempts=self._attempts,
                timeout=None,
                wait_initial=0.1,
                wait_max=2.0,
                wait_jitter=0.5,
            ):
                with attempt:
                    async with self._bound:
                        return await self._attempt(operation, call)
        except Exception as exc:
            match self._fault(exc):
                case Fault.TRANSIENT:
                    raise RemoteUnavailable(self.system, operation, _words(exc)) from exc
                case Fault.PERMANENT:
                    raise RemoteRefused(self.system, operation, _words(exc)) from exc
                case None:
                    raise
        raise AssertionError("unreachable: the retry loop returns or raises")

    async def call_in_thread(
        self, operation: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a synchronous SDK in this system's own threads, like :meth:`call`.

        A thread cannot be stopped: give the SDK a timeout of its own below ours, or the thread stays taken.
        """
        bound = functools.partial(function, *args, **kwargs)
        loop = asyncio.get_running_loop()
        return await self.call(operation, lambda: loop.run_in_executor(self._threads, bound))

    def close(self) -> None:
        """Let the threads go; calls under way finish on their own."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _attempt(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        started = asyncio.get_running_loop().time()
        outcome = "cancelled"
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

    def _is_transient(self, exc: Exception) -> bool:
        return self._fault(exc) is Fault.TRANSIENT

    def _fault(self, exc: Exception) -> Fault | None:
        if isinstance(exc, TimeoutError):
            return Fault.TRANSIENT
        return self._classify(exc)


def _words(exc: Exception) -> str:
    return (" ".join(str(exc).split()) or type(exc).__name__)[:300]
