"""Background tasks of a service."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

__all__ = ["cancel_and_wait", "run_background_task"]

CANCEL_INTERVAL_SECONDS = 1.0
"""Time after which a task that is still running is cancelled again."""


async def cancel_and_wait(task: "asyncio.Future[None]") -> None:
    """Cancel a task and wait until it has ended; raise the task's error, if it has one.

    Before Python 3.12 :func:`asyncio.wait_for`, which redis-py uses, loses a cancellation that coincides with
    the end of the awaited call (python/cpython issue 86296). So a task that still runs is cancelled again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_INTERVAL_SECONDS)
    if not task.cancelled():
        task.result()


@asynccontextmanager
async def run_background_task(
    work: Coroutine[None, None, None], name: str
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a coroutine as a task while the block runs; cancel it at the end of the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        await cancel_and_wait(task)
