"""End of all writing for a Tenant that is being deleted, before anything of it is removed."""

from typing import Any

from redis.asyncio import Redis
from servicekit.errors import RemoteUnavailable
from servicekit.redis_errors import classify
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import ingests_key, tombstone_key
from tenancy.tombstones import SET_TOMBSTONE, TOMBSTONE_SECONDS

__all__ = ["Drain"]

CALL_SECONDS = 5.0

LONGEST_PAUSE_SECONDS = 2.0
"""Longest pause between two looks at writes that are ending."""


class Drain:
    """Sets tombstones and waits for writes under way.

    Parameters
    ----------
    redis
        Where the gateway keeps its leases; the caller closes it.
    """

    def __init__(self, redis: Redis) -> None:
        self._close: Any = redis.register_script(SET_TOMBSTONE)
        self._remote = Remote("redis", classify, timeout=CALL_SECONDS)

    async def finish_writes(self, tenant: Tenant) -> None:
        """Return when no write for the Tenant is under way, and none can begin any more.

        Raises
        ------
        RemoteUnavailable
            Some write has not ended yet: it is refused at its next step, or its lease runs out within 30 s.
        RemoteUnavailable, RemoteRefused
            Redis did not answer, or refused.
        """
        keys = [tombstone_key(tenant.id, tenant.uid), ingests_key(tenant.id, tenant.uid)]
        left = await self._remote.call(
            "close-tenant", lambda: self._close(keys=keys, args=[TOMBSTONE_SECONDS])
        )
        if left > 0:
            raise RemoteUnavailable(
                "redis",
                "drain-writes",
                f"uploads are under way; they have ended in {left / 1000:.0f} s at most",
                min(left / 1000, LONGEST_PAUSE_SECONDS),
            )
