"""Deadline of a request, which every call made for it respects.

A context variable holds it, so tasks and threads of the request inherit it without a parameter. Work that
outlives the request, such as recording usage, runs in :func:`suspend_deadline`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from .errors import DeadlineExceeded

__all__ = ["enforce", "get_remaining_seconds", "limit_time", "suspend_deadline"]

_ENDS: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Set a deadline for the block; an earlier one stays in force."""
    ends, earlier = time.monotonic() + seconds, _ENDS.get()
    token = _ENDS.set(ends if earlier is None else min(ends, earlier))
    try:
        yield
    finally:
        _ENDS.reset(token)


@contextmanager
def suspend_deadline() -> Iterator[None]:
    """Run the block without a deadline."""
    token = _ENDS.set(None)
    try:
        yield
    finally:
        _ENDS.reset(token)


def get_remaining_seconds() -> float | None:
    """Return the seconds that remain, at least 0; ``None`` without a deadline."""
    ends = _ENDS.get()
    return None if ends is None else max(ends - time.monotonic(), 0.0)


@asynccontextmanager
async def enforce(waiting_for: str) -> AsyncIterator[None]:
    """Cancel the block when the deadline is reached.

    Parameters
    ----------
    waiting_for
        Name of the system that the block waits for, for the error. Never a host name.

    Raises
    ------
    DeadlineExceeded
        The deadline was reached.
    """
    scope = asyncio.timeout(get_remaining_seconds())
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
