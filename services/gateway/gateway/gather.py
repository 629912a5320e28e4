"""Several things at once, of which none outlives the others' failure."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["together"]

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results, in order. The first error is raised as it is, after the rest was cancelled.

    ``asyncio.gather`` would let the rest go on, at a cost nobody needs any more; a ``TaskGroup`` alone would
    wrap the error, which callers tell apart by its class.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
