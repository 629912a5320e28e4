"""When n8n may be called: somebody who says "not now" is left alone for as long as they wish."""

import asyncio

import httpx
from servicekit.errors import RemoteUnavailable

from ..adapters.http import is_problem, retry_after, status

__all__ = ["Door"]

PAUSE_SECONDS = 2.0
"""First pause for somebody who did not say how long; twice as long each time they are still away."""

LONGEST_SECONDS = 30.0
"""So an outage of minutes is over for us half a minute after it is over."""


class Door:
    """Closed for all while n8n or what is behind it is away, or for one tenant whose turn it is not."""

    def __init__(self) -> None:
        self._until = 0.0
        self._pause = PAUSE_SECONDS
        self._tenants: dict[str, float] = {}

    def closed_for(self, tenant_id: str) -> float:
        """Return the seconds until a tenant's documents may be sent; 0 when they may now."""
        now = asyncio.get_running_loop().time()
        until = max(self._until, self._tenants.get(tenant_id, 0.0))
        if until <= now:
            self._tenants.pop(tenant_id, None)
        return max(until - now, 0.0)

    def worked(self) -> None:
        """Note an answer: whoever was away is back."""
        self._pause = PAUSE_SECONDS

    def failed(self, tenant_id: str, exc: RemoteUnavailable) -> None:
        """Note a failure, and close for whom it concerns.

        What is one tenant's or one document's fault must not close the door for others.
        """
        now = asyncio.get_running_loop().time()
        match status(exc), exc.__cause__:
            case 429, _:
                self._tenants[tenant_id] = now + (retry_after(exc) or PAUSE_SECONDS)
            case 503, _ if is_problem(exc, "tenant-not-ready"):
                self._tenants[tenant_id] = now + (retry_after(exc) or LONGEST_SECONDS)
            case (503, _) | (0, httpx.ConnectError() | httpx.ConnectTimeout()) if self._until <= now:
                # Calls that fail side by side are one failure: the first of them closes the door.
                self._until = now + (retry_after(exc) or self._pause)
                self._pause = min(self._pause * 2, LONGEST_SECONDS)
            case _:
                pass
