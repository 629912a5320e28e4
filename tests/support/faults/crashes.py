"""Simulated crashes: from one call to an external system on, every call raises."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from servicekit.remote import Remote

__all__ = ["ProcessKilled", "crash_after", "crash_when"]


class ProcessKilled(BaseException):
    """Simulated death of a process: after it, each further call of the process raises this error."""


def _accept_every_call(_remote: Remote, _operation: str) -> bool:
    return True


async def crash_after(last: int, run: Callable[[], Awaitable[Any]], **options: Any) -> bool:
    """Await ``run()``, and crash it after ``last`` calls; return False if it made no further call.

    The options are those of :func:`crash_when`.
    """
    return await crash_when(lambda made, _: made >= last, run, **options)


async def crash_when(
    crashes: Callable[[int, str], bool],
    run: Callable[[], Awaitable[Any]],
    *,
    affects: Callable[[Remote, str], bool] = _accept_every_call,
    counts: Callable[[Remote, str], bool] = _accept_every_call,
    consequences: tuple[type[BaseException], ...] = (),
) -> bool:
    """Await ``run()``, and crash it at the first call for which ``crashes`` is True.

    Return False if there was no such call.

    Parameters
    ----------
    crashes
        Gets the number of calls so far and the next operation.
    affects
        Calls of the process. Other calls always succeed.
    counts
        Calls that are counted and can start the crash.
    consequences
        Errors with which the run may end instead.
    """
    made, is_dead = 0, False
    original_call = Remote.call

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]], **more: Any) -> Any:
        nonlocal made, is_dead
        if not affects(self, operation):
            return await original_call(self, operation, function, **more)
        is_counted = counts(self, operation)
        is_dead = is_dead or (is_counted and crashes(made, operation))
        if is_dead:
            raise ProcessKilled
        made += is_counted
        return await original_call(self, operation, function, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "call", call)
        try:
            await run()
        except ProcessKilled:
            return True
        except consequences:
            return True
    return False
