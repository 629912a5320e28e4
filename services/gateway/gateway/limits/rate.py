"""Queries a minute: a protection from haste, not from anything worse.

Queries are counted by second, and a query is refused while the tenant has asked as often as it may in the
last minute. A minute that begins inside a second touches 61 seconds of the clock, so 61 are added up: no
60 seconds, wherever they begin, ever hold more than the limit, and a query is forgotten 60 to 61 seconds
after it came, never earlier. A refused query is not counted.
"""

from dataclasses import dataclass

import structlog
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.names import rate_key
from tenancy.tombstones import raise_if_deleting

from ..metrics import LIMITS_OPEN, REFUSED
from ..problems import RateLimited
from ..redis import TenantRedis

__all__ = ["Rate", "RateLimiter"]

WINDOW_SECONDS = 60

_COUNT = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(redis.call('TIME')[1])
local counts = redis.call('HGETALL', KEYS[1])
local seconds, count, used, stale = {}, {}, 0, {}
for i = 1, #counts, 2 do
  local second = tonumber(counts[i])
  -- A second in the future means that the clock was set back: it must not block anybody until it is there.
  if second < now - window or second > now then
    table.insert(stale, counts[i])
  else
    table.insert(seconds, second)
    count[second] = tonumber(counts[i + 1])
    used = used + count[second]
  end
end
local allowed = used < limit
if allowed then
  if #stale > 0 then redis.call('HDEL', KEYS[1], unpack(stale)) end
  redis.call('HINCRBY', KEYS[1], now, 1)
  redis.call('EXPIRE', KEYS[1], window + 1)
  if not count[now] then table.insert(seconds, now) end
  count[now] = (count[now] or 0) + 1
  used = used + 1
end
-- Seconds until one more fits than fits now: the oldest ones have to leave.
table.sort(seconds)
local left, reset = used, window
for _, second in ipairs(seconds) do
  left = left - count[second]
  if left < limit then
    reset = second + window + 1 - now
    break
  end
end
return {allowed and 1 or 0, math.max(limit - used, 0), reset}
"""


@dataclass(frozen=True)
class Rate:
    """How a tenant stands after a query.

    Parameters
    ----------
    limit
        Queries a minute.
    allowed
        Whether this one may pass.
    remaining
        How many more may pass now; ``None`` when it could not be counted.
    reset
        Seconds until there is room for one more than that.
    """

    limit: int
    allowed: bool = True
    remaining: int | None = None
    reset: int = 0

    def to_headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers (version 10)."""
        policy = {"RateLimit-Policy": f'"queries";q={self.limit};w={WINDOW_SECONDS}'}
        if self.remaining is None:
            return policy
        return {**policy, "RateLimit": f'"queries";r={self.remaining};t={self.reset}'}

    def require_allowed(self) -> None:
        """Return when the query may pass.

        Raises
        ------
        RateLimited
            It may not.
        """
        if not self.allowed:
            REFUSED.labels("rate").inc()
            raise RateLimited(
                f"The tenant may ask {self.limit} times a minute. Try again in {self.reset} seconds.",
                retry_after=self.reset,
                limit=self.limit,
            )


class RateLimiter:
    """Counts queries against a Tenant's ``queriesPerMinute``."""

    def __init__(self, redis: TenantRedis) -> None:
        self._count = redis.script("count-query", _COUNT)
        self._log = structlog.get_logger("gateway.limits")

    async def count(self, tenant: Tenant) -> Rate:
        """Count a query, unless it is one too many.

        While Redis is away every query may pass: an outage of Redis must not be an outage of search.

        Raises
        ------
        TenantSuspended
            The Tenant is being deleted.
        """
        limit = tenant.spec.quota.queries_per_minute
        try:
            allowed, remaining, reset = await self._count.run(
                tenant, [rate_key(tenant.id, tenant.uid)], limit, WINDOW_SECONDS
            )
        except RemoteError as exc:
            raise_if_deleting(exc)
            LIMITS_OPEN.labels("rate").inc()
            self._log.warning("Cannot count queries; letting them pass", error=str(exc))
            return Rate(limit)
        return Rate(limit, allowed=bool(allowed), remaining=remaining, reset=reset)
