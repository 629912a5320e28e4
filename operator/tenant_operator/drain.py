"""Drain of writes for a Tenant that is being deleted, before its data is removed."""

from typing import Any

from redis.asyncio import Redis
from servicekit.errors import BackendUnavailable
from servicekit.redis_errors import classify
from servicekit.remote import Remote
from tenancy.model import Tenant
from tenancy.names import build_ingests_key, build_tombstone_key
from tenancy.tombstones import SET_TOMBSTONE, TOMBSTONE_TTL_SECONDS

__all__ = ["Drain"]

CALL_TIMEOUT_SECONDS = 5.0

MAX_RETRY_DELAY_SECONDS = 2.0
"""Longest pause before the next check of the remaining writes."""


class Drain:
    """Sets the tombstone of a Tenant and checks that its last write has ended.

    Parameters
    ----------
    redis
        Redis with the gateway's leases; the caller closes it.
    """

    def __init__(self, redis: Redis) -> None:
        self._set_tombstone: Any = redis.register_script(SET_TOMBSTONE)
        self._remote = Remote("redis", classify, timeout=CALL_TIMEOUT_SECONDS)

    async def finish_writes(self, tenant: Tenant) -> None:
        """Return when no write for the Tenant is running or can start.

        Raises
        ------
        BackendUnavailable
            A write is still running, or Redis did not answer. A running write is refused at its next step, or
            its lease expires within 30 s.
        BackendRefused
            Redis refused.
        """
        keys = [build_tombstone_key(tenant.id, tenant.uid), build_ingests_key(tenant.id, tenant.uid)]
        remaining = await self._remote.call(
            "set-tombstone", lambda: self._set_tombstone(keys=keys, args=[TOMBSTONE_TTL_SECONDS])
        )
        if remaining > 0:
            raise BackendUnavailable(
                "redis",
                "drain-writes",
                f"uploads are running; they end within {remaining / 1000:.0f} s",
                min(remaining / 1000, MAX_RETRY_DELAY_SECONDS),
            )
