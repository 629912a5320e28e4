"""Tombstones: Redis keys of Tenants that are being deleted, which every write for the Tenant checks.

The operator sets the tombstone of a Tenant's uid before it removes anything. From then on Redis refuses every
guarded script. So a gateway that does not know of the deletion yet can neither start a write nor renew its
lease. Uids are unique, so a tombstone does not affect a later Tenant of the same name.
"""

from servicekit.errors import BackendError, BackendRefused

from .errors import TenantSuspended
from .identity import BEING_REMOVED

__all__ = ["REFUSAL", "SET_TOMBSTONE", "TOMBSTONE_TTL_SECONDS", "add_tombstone_check", "raise_if_deleting"]

TOMBSTONE_TTL_SECONDS = 30 * 24 * 3600
"""Lifetime of a tombstone: longer than any process can act on stale state."""

REFUSAL = "TENANTGONE the Tenant is being deleted"
"""Error message of a refused script."""

# KEYS: the tombstone, the tenant's journal of writes. ARGV: lifetime of the tombstone in seconds.
SET_TOMBSTONE = """
redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
local time = redis.call('TIME')
local now, left = time[1] * 1000 + math.floor(time[2] / 1000), 0
for _, text in ipairs(redis.call('HVALS', KEYS[2])) do
  left = math.max(left, cjson.decode(text).expires - now)
end
return left
"""
"""Lua script that sets the tombstone and returns the milliseconds until the last lease of a write expires.

Each entry of the journal is a held lease, or the intent of a write that changed something and was not
committed. An intent also counts until its lease expires, because the write's last call can still arrive.
"""


def add_tombstone_check(source: str) -> str:
    """Return a Lua script that fails while the tombstone, the last of its keys, exists."""
    return (
        f"if redis.call('EXISTS', KEYS[#KEYS]) == 1 then return redis.error_reply('{REFUSAL}') end\n{source}"
    )


def raise_if_deleting(exc: BackendError) -> None:
    """Raise a domain error if a tombstone caused the failure of a script.

    Raises
    ------
    TenantSuspended
        The Tenant is being deleted.
    """
    if isinstance(exc, BackendRefused) and REFUSAL in exc.reason:
        raise TenantSuspended(BEING_REMOVED) from exc
