"""Computing time of the event loop's steps: what every other request waits for."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LongestStep", "longest_step"]


class LongestStep:
    """Seconds of computing time that the longest step took."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextmanager
def longest_step() -> Iterator[LongestStep]:
    """Measure the steps of this thread's event loops inside the block.

    Computing time and not the clock's, so other programs change little. Garbage of the tests is not
    collected meanwhile.
    """
    longest, run = LongestStep(), asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        longest.seconds = max(longest.seconds, time.thread_time() - before)

    gc.disable()
    asyncio.Handle._run = measured  # type: ignore[method-assign, assignment]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
        gc.enable()
