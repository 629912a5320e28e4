"""Tombstones: marks in Redis that a Tenant is being deleted, which every write for that Tenant checks.

The operator sets the tombstone of a Tenant's uid before it removes anything. From then on Redis itself
refuses every guarded script, so a gateway that has not heard of the deletion yet can neither begin a write
nor renew the lease of one. A uid is never given twice, so a tombstone concerns no later Tenant of the name.
"""

from servicekit.errors import RemoteError, RemoteRefused

from .errors import TenantSuspended
from .identity import BEING_REMOVED

__all__ = ["CLOSE", "REFUSAL", "TOMBSTONE_SECONDS", "guarded", "raise_if_deleting"]

TOMBSTONE_SECONDS = 30 * 24 * 3600
"""How long a tombstone outlives its Tenant: longer than any process could act on what it knew before."""

REFUSAL = "TENANTGONE the Tenant is being deleted"
"""Words with which a write is refused."""

# KEYS: the tombstone, the tenant's journal of writes. ARGV: seconds for which the tombstone stays.
CLOSE = """
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
local time = redis.call('TIME')
local now, left = time[1] * 1000 + math.floor(time[2] / 1000), 0
for _, text in ipairs(redis.call('HVALS', KEYS[2])) do
  local entry = cjson.decode(text)
  if entry.token ~= '' or entry.note ~= '' then left = math.max(left, entry.expires - now) end
end
return left
"""
"""Set the tombstone, and return the milliseconds until the last write under way has lost its lease.

A write that changed something and was not settled counts until then, too: its last call may still arrive.
"""


def guarded(source: str) -> str:
    """Return a Lua script that is refused while the tombstone, the last of its keys, is there."""
    return (
        f"if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return redis.error_reply('{REFUSAL}') end\n{source}"
    )


def raise_if_deleting(exc: RemoteError) -> None:
    """Return when it was not a tombstone that made a guarded script fail.

    Raises
    ------
    TenantSuspended
        It was: the Tenant is being deleted.
    """
    if isinstance(exc, RemoteRefused) and REFUSAL in exc.reason:
        raise TenantSuspended(BEING_REMOVED) from exc
