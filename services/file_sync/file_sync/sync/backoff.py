"""Backoff of calls to n8n, for all tenants or for one tenant. The backoff honours ``Retry-After``."""

import asyncio

import httpx
from servicekit.errors import BackendUnavailable

from ..adapters.http import get_status, is_problem, parse_retry_after

__all__ = ["BackoffGate"]

INITIAL_DELAY_SECONDS = 2.0
"""First pause without a ``Retry-After``; it doubles with each further failure."""

MAX_DELAY_SECONDS = 30.0
"""Longest pause, so that calls resume at most half a minute after an outage ends."""


class BackoffGate:
    """Pauses calls to n8n after failures: the calls of all tenants, or of one tenant."""

    def __init__(self) -> None:
        self._until = 0.0
        self._pause = INITIAL_DELAY_SECONDS
        self._tenants: dict[str, float] = {}

    def get_retry_after(self, tenant_id: str) -> float:
        """Return the seconds until a tenant's documents may be sent; 0 if no pause applies."""
        now = asyncio.get_running_loop().time()
        until = max(self._until, self._tenants.get(tenant_id, 0.0))
        if until <= now:
            self._tenants.pop(tenant_id, None)
        return max(until - now, 0.0)

    def record_success(self) -> None:
        """Record a successful call; the next pause begins at the initial delay again."""
        self._pause = INITIAL_DELAY_SECONDS

    def record_failure(self, tenant_id: str, exc: BackendUnavailable) -> None:
        """Record a failed call, and pause the calls that the failure concerns.

        A failure that may concern one tenant or one document does not pause the calls of other tenants.
        """
        now = asyncio.get_running_loop().time()
        match get_status(exc), exc.__cause__:
            case 429, _:
                self._tenants[tenant_id] = now + (parse_retry_after(exc) or INITIAL_DELAY_SECONDS)
            case 503, _ if is_problem(exc, "tenant-not-ready"):
                self._tenants[tenant_id] = now + (parse_retry_after(exc) or MAX_DELAY_SECONDS)
            case (503, _) | (0, httpx.ConnectError() | httpx.ConnectTimeout()) if self._until <= now:
                # Concurrent calls that fail together count as one failure: only the first starts a pause.
                self._until = now + (parse_retry_after(exc) or self._pause)
                self._pause = min(self._pause * 2, MAX_DELAY_SECONDS)
            case _:
                pass
