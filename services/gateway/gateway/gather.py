"""Concurrent execution of coroutines; the first failure cancels the others."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

__all__ = ["gather_or_cancel"]

T = TypeVar("T")


async def gather_or_cancel(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results in order; on the first error cancel the other coroutines and raise that error.

    ``asyncio.gather`` would let the other coroutines continue, although their results are not used. A
    ``TaskGroup`` alone would wrap the error in a group, and callers handle errors by their class.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
