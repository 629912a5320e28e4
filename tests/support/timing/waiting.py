"""Waits for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["until"]

POLL_SECONDS = 0.02

BOUND_SECONDS = 60.0
"""The longest wait by default. It only ends tests that hang: a busy machine takes many times as long."""


async def until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    seconds: float = BOUND_SECONDS,
    every: float = POLL_SECONDS,
) -> None:
    """Return when a condition holds.

    Parameters
    ----------
    condition
        Returns whether the wait is over.
    seconds
        Seconds after which the wait fails. Bounds below the default count as the default.
    every
        Seconds between two checks; more if a check costs the observed program work.

    Raises
    ------
    TimeoutError
        The condition did not hold in time.
    """
    async with asyncio.timeout(max(seconds, BOUND_SECONDS)):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(every)
