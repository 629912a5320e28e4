"""Waits for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["wait_until"]

FIRST_POLL_SECONDS = 0.02
LAST_POLL_SECONDS = 0.25
"""Bounds of the default pause between two checks."""

COST_FACTOR, MAX_COST_SECONDS = 4, 0.25
"""A pause is this many times as long as the last check, so that costly checks leave the processor to the
observed program. A check counts as this long at most."""

BOUND_SECONDS = 60.0
"""The longest wait by default. It only ends tests that hang: a busy machine takes many times as long."""


async def wait_until(
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
        Minimum seconds between two checks; by default a tenth of the time waited so far, within bounds. A
        check that takes long is repeated later.

    Raises
    ------
    TimeoutError
        The condition did not hold in time.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    async with asyncio.timeout(max(seconds, BOUND_SECONDS)):
        while True:
            began = time.perf_counter()
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            cost = min(time.perf_counter() - began, MAX_COST_SECONDS)
            pause = _get_pause(clock() - started) if every is None else every
            await asyncio.sleep(max(pause, COST_FACTOR * cost))


def _get_pause(waited: float) -> float:
    return min(max(waited / 10, FIRST_POLL_SECONDS), LAST_POLL_SECONDS)
