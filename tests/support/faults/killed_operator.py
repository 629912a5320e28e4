"""Operators that kill themselves: ``python -m tests.support.faults.killed_operator``.

Each line of standard input, ``CALL before|after``, starts an operator that uses SIGKILL at that call, so
nothing is flushed or closed. Its exit code is printed. Calls are counted over all systems. A login is part of
the call that required it.

Every operator is a fork of this process, because the imports take 3 s.
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


def _run(last: int, when: str) -> int:
    pid = os.fork()
    if pid == 0:
        _install(last, when)
        main()
        sys.exit()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        number, moment = line.split()
        print(_run(int(number), moment), flush=True)
