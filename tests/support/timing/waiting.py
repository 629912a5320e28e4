"""Waits for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["until"]

FIRST_POLL_SECONDS = 0.02
LAST_POLL_SECONDS = 0.25
"""Bounds of the default interval between two checks."""

BOUND_SECONDS = 60.0
"""The longest wait by default. It only ends tests that hang: a busy machine takes many times as long."""


async def until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    seconds: float = BOUND_SECONDS,
    every: float | None = None,
) -> None:
    """Return when a condition holds.

    Parameters
    ----------
    condition
        Returns whether the wait is over.
    seconds
        Seconds after which the wait fails. Bounds below the default count as the default.
    every
        Seconds between two checks; by default a tenth of the time waited so far, within bounds. Most checks
        are requests, and cost the observed program time.

    Raises
    ------
    TimeoutError
        The condition did not hold in time.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    async with asyncio.timeout(max(seconds, BOUND_SECONDS)):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(_get_interval(clock() - started) if every is None else every)


def _get_interval(waited: float) -> float:
    return min(max(waited / 10, FIRST_POLL_SECONDS), LAST_POLL_SECONDS)
