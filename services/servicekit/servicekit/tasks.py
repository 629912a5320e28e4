"""What goes on beside the requests of a service for as long as it lives."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

__all__ = ["background_task", "cancel_and_wait"]

AGAIN_SECONDS = 1.0
"""Until a task that goes on is cancelled again."""


async def cancel_and_wait(task: "asyncio.Future[None]") -> None:
    """Cancel a task and return when it has ended; its own error is raised.

    Before Python 3.12 :func:`asyncio.wait_for`, with which redis-py sends, loses a cancellation that meets
    the end of what it waits for (python/cpython issue 86296). So a task that goes on is cancelled again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.result()


@asynccontextmanager
async def background_task(
    work: Coroutine[None, None, None], name: str
) -> AsyncIterator["asyncio.Task[None]"]:
    """Let work go on beside the block, and end it with the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        await cancel_and_wait(task)
