"""Wait for a condition, in place of a fixed sleep."""

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["wait_until"]

FIRST_POLL_SECONDS = 0.02
LAST_POLL_SECONDS = 0.25
"""Bounds of the default pause between two checks."""

COST_FACTOR, MAX_COST_SECONDS = 4, 0.25
"""Minimum pause as a multiple of the last check's duration, and the maximum duration that counts. So costly
checks leave the processor to the observed program."""

BOUND_SECONDS = 60.0
"""Default time limit of a wait. It only ends tests that hang, because a busy machine is many times slower."""


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    seconds: float = BOUND_SECONDS,
    every: float | None = None,
) -> None:
    """Wait until a condition is true.

    Parameters
    ----------
    condition
        Returns True when the wait is over.
    seconds
        Seconds after which the wait fails; a value below the default counts as the default.
    every
        Minimum seconds between two checks; by default a tenth of the time waited so far, within bounds. The
        pause is longer after a check that takes long.

    Raises
    ------
    TimeoutError
        The condition was not true in time.
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
