"""The time that a request may take in all, known to every call that is made for it.

It travels in a context variable: whoever is called for a request inherits it, tasks and threads among them,
and nobody has to pass it on. What outlives the request, such as writing down what was spent, says so with
:func:`lifted`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from .errors import DeadlineExceeded

__all__ = ["enforced", "lifted", "remaining", "within"]

_ENDS: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all that happens inside end within so many seconds; an earlier deadline stays."""
    ends, earlier = time.monotonic() + seconds, _ENDS.get()
    token = _ENDS.set(ends if earlier is None else min(ends, earlier))
    try:
        yield
    finally:
        _ENDS.reset(token)


@contextmanager
def lifted() -> Iterator[None]:
    """Let what happens inside take its time, whatever the request's deadline was."""
    token = _ENDS.set(None)
    try:
        yield
    finally:
        _ENDS.reset(token)


def remaining() -> float | None:
    """Return the seconds that are left, 0 at the least; ``None`` where there is no deadline."""
    ends = _ENDS.get()
    return None if ends is None else max(ends - time.monotonic(), 0.0)


@asynccontextmanager
async def enforced(waiting_for: str) -> AsyncIterator[None]:
    """Cut off what happens inside when the deadline is reached.

    Parameters
    ----------
    waiting_for
        What the caller is told that the time went to: a system's name, never a host's.

    Raises
    ------
    DeadlineExceeded
        It was reached.
    """
    scope = asyncio.timeout(remaining())
    try:
        async with scope:
            yield
    except TimeoutError as exc:
        if not scope.expired():
            raise
        raise DeadlineExceeded(
            f"The request took longer than it may; at the end it waited for {waiting_for}. Try again.",
            waiting_for=waiting_for,
        ) from exc
