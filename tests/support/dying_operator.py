"""``python -m tests.support.dying_operator N before|after``: the operator, killed at its N-th external call.

It is killed as ``kill -9`` kills: between two instructions, with nothing flushed and nobody told. Calls
are counted over all systems; logging in to one is part of the call that needed it.
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
"""Calls that the operator makes before it looks at any Tenant; they are not counted."""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(last: int, when: str) -> None:
    count = itertools.count(1)
    call_as_before = Remote.call

    async def call(self: Remote, operation: str, function: Callable[[], Awaitable[Any]]) -> Any:
        number = 0 if operation in READS else next(count)
        if number == last and when == "before":
            _die()
        result = await call_as_before(self, operation, function)
        if number == last:
            _die()
        return result

    Remote.call = call  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    _arm(int(sys.argv[1]), sys.argv[2])
    main()
