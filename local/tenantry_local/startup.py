"""Wait for the health check of a started part."""

import time

from .part import PlatformPart
from .processes import LocalError, Processes

__all__ = ["wait_until_healthy"]

POLL_INTERVAL_SECONDS = 0.1

PROGRESS_WINDOW_SECONDS = 20.0
PROGRESS_CPU_SECONDS = 0.5
"""CPU time in a window with which a program counts as making progress; a program that waits uses less."""

MAX_EXTENSION = 10
"""Maximum wait for a program that makes progress, as a multiple of its start timeout."""


def wait_until_healthy(part: PlatformPart, processes: Processes) -> None:
    """Wait until a part is healthy.

    On a busy machine a program may need more than its start timeout. The wait goes on as long as the program
    uses the processor, so that only a program that hangs fails.

    Raises
    ------
    LocalError
        The program ended, or it did not become healthy; the message quotes its log.
    """
    started = time.monotonic()
    deadline, limit = started + part.start_timeout, started + part.start_timeout * MAX_EXTENSION
    used = 0.0
    while not part.is_healthy():
        if part.managed and not processes.find(part.name):
            raise LocalError(f"{part.name} stopped right after its start:\n{processes.read_tail(part.name)}")
        now = time.monotonic()
        if now > deadline:
            total = processes.get_cpu_seconds(part.name)
            if now > limit or total - used < PROGRESS_CPU_SECONDS:
                raise LocalError(
                    f"{part.name} was not healthy within {now - started:.0f} s "
                    f"(tenantry logs {part.name}):\n{processes.read_tail(part.name)}"
                )
            used, deadline = total, now + PROGRESS_WINDOW_SECONDS
        time.sleep(POLL_INTERVAL_SECONDS)
