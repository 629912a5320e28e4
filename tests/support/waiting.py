"""Waiting for what happens elsewhere: for a condition, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["until"]

POLL_SECONDS = 0.02


async def until(
    condition: Callable[[], bool | Awaitable[bool]], *, seconds: float = 10.0, every: float = POLL_SECONDS
) -> None:
    """Return when a condition holds; fail when it does not within ``seconds``."""
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(every)
