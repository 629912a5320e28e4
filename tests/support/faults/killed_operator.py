"""Operator that kills itself: ``python -m tests.support.faults.killed_operator CALL before|after``.

It uses SIGKILL, so nothing is flushed or closed. Calls are counted over all systems. A login is part of the
call that required it.
"""

import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from servicekit.remote import Remote
from tenant_operator.__main__ import main

__all__ = ["READS"]

READS = ("list-tenants",)
"""Calls before the first reconcile; they are not counted."""


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _install(last: int, when: str) -> None:
    count = itertools.count(1)
    call_as_before = Remote.call

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]]) -> Any:
        number = 0 if operation in READS else next(count)
        if number == last and when == "before":
            _kill_self()
        result = await call_as_before(self, operation, function)
        if number == last:
            _kill_self()
        return result

    Remote.call = call  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    _install(int(sys.argv[1]), sys.argv[2])
    main()
