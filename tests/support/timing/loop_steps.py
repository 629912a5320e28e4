"""CPU time of the event loop's steps, which delay all other requests."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LongestStep", "measure_longest_step"]


class LongestStep:
    """CPU time of the longest step in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextmanager
def measure_longest_step() -> Iterator[LongestStep]:
    """Measure the steps of this thread's event loops inside the block.

    It measures CPU time instead of elapsed time, so other programs have little effect. Garbage collection is
    disabled inside the block.
    """
    longest, run = LongestStep(), asyncio.Handle._run

    def measure(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        longest.seconds = max(longest.seconds, time.thread_time() - before)

    gc.disable()
    asyncio.Handle._run = measure  # type: ignore[method-assign, assignment]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
        gc.enable()
