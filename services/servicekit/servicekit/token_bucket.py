"""A token bucket: how often something may be done a minute, with a little in hand."""

import asyncio
import time
from collections.abc import Callable

__all__ = ["TokenBucket"]

IN_HAND_SECONDS = 10.0
"""What is saved up at most. More would let a burst after a quiet minute run into the limit that we keep."""

MOST_DEBT_SECONDS = 60.0
"""How far those who never wait can push back those who do."""


class TokenBucket:
    """Paces callers to a rate; first come, first served.

    Parameters
    ----------
    per_minute
        The rate.
    now
        A clock that never goes back, in seconds.
    """

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._now = now
        self._level = self._rate * IN_HAND_SECONDS
        self._seen = now()

    def take(self) -> float:
        """Take one token, be there one or not, and return the seconds until it is there."""
        seen, self._seen = self._seen, self._now()
        saved = self._level + (self._seen - seen) * self._rate
        level = min(saved, self._rate * IN_HAND_SECONDS) - 1
        self._level = max(level, -self._rate * MOST_DEBT_SECONDS)
        return max(-self._level / self._rate, 0.0)

    def try_take(self) -> float:
        """Take one token and return 0, or take none and return the seconds until there is one."""
        seconds = self.take()
        if seconds:
            self._level += 1
        return seconds

    async def wait(self) -> None:
        """Take one token and return when it is there."""
        if seconds := self.take():
            await asyncio.sleep(seconds)
