"""Token bucket: limits calls to a rate, with a small burst."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["TokenBucket"]

BURST_SECONDS = 10.0
"""Maximum number of saved tokens, in seconds of the rate: the size of a burst."""

MAX_DEBT_SECONDS = 60.0
"""Maximum debt, in seconds of the rate. Callers that reserve a token and do not wait cause the debt; it
bounds the time for which they can delay the others."""


class TokenBucket:
    """Token bucket; callers are served first come, first served.

    Parameters
    ----------
    per_minute
        Tokens per minute.
    now
        Monotonic clock, in seconds.
    """

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._now = now
        self._level = self._rate * BURST_SECONDS
        self._seen = now()

    def reserve(self, tokens: int = 1) -> float:
        """Reserve tokens and return the seconds until they are available; a negative number adds tokens."""
        seen, self._seen = self._seen, self._now()
        saved = self._level + (self._seen - seen) * self._rate
        level = min(saved, self._rate * BURST_SECONDS) - tokens
        self._level = max(level, -self._rate * MAX_DEBT_SECONDS)
        return max(-self._level / self._rate, 0.0)

    def try_acquire(self) -> float:
        """Take a token and return 0; if there is no token, return the seconds until one is available."""
        seconds = self.reserve()
        if seconds:
            self._level += 1
        return seconds

    async def acquire(self, tokens: int = 1) -> None:
        """Reserve tokens and wait until they are available."""
        if seconds := self.reserve(tokens):
            await asyncio.sleep(seconds)
