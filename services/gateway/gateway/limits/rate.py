"""Rate limiter for queries per minute: a sliding window in Redis.

Queries are counted per clock second. A minute that begins within a clock second spans 61 clock seconds, so
the window is the sum of 61 counters. So no period of 60 seconds exceeds the limit, and a query leaves the
window 60 to 61 seconds after its arrival. A refused query is not counted.
"""

from dataclasses import dataclass

import structlog
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_rate_key
from tenancy.tombstones import raise_if_deleting

from ..metrics import LIMIT_CHECKS_SKIPPED, LIMIT_EXCEEDED
from ..problems import RateLimited
from ..redis import TenantRedis

__all__ = ["RateLimitResult", "RateLimiter"]

WINDOW_SECONDS = 60

_COUNT = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(redis.call('TIME')[1])
local counts = redis.call('HGETALL', KEYS[1])
local seconds, count, used, stale = {}, {}, 0, {}
for i = 1, #counts, 2 do
  local second = tonumber(counts[i])
  -- A second in the future means that the clock was set back; it must not block requests until then.
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
-- Seconds until one more query fits: the oldest ones have to leave the window.
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
class RateLimitResult:
    """Result of a rate limit check.

    Parameters
    ----------
    limit
        Queries per minute.
    allowed
        True if this query is allowed.
    remaining
        Number of further queries that are allowed now; ``None`` if Redis did not answer.
    reset
        Seconds until one more query is allowed.
    """

    limit: int
    allowed: bool = True
    remaining: int | None = None
    reset: int = 0

    def to_headers(self) -> dict[str, str]:
        """Return the header fields of draft-ietf-httpapi-ratelimit-headers (version 10)."""
        policy = {"RateLimit-Policy": f'"queries";q={self.limit};w={WINDOW_SECONDS}'}
        if self.remaining is None:
            return policy
        return {**policy, "RateLimit": f'"queries";r={self.remaining};t={self.reset}'}

    def require_allowed(self) -> None:
        """Raise if the query is not allowed.

        Raises
        ------
        RateLimited
            The tenant has reached its limit.
        """
        if not self.allowed:
            LIMIT_EXCEEDED.labels("rate").inc()
            raise RateLimited(
                f"The tenant may send {self.limit} queries a minute. Try again in {self.reset} seconds.",
                retry_after=self.reset,
                limit=self.limit,
            )


class RateLimiter:
    """Enforces a Tenant's ``queriesPerMinute``."""

    def __init__(self, redis: TenantRedis) -> None:
        self._count = redis.register_script("count-query", _COUNT)
        self._log = structlog.get_logger("gateway.limits")

    async def count(self, tenant: Tenant) -> RateLimitResult:
        """Count a query unless it exceeds the limit.

        Without Redis every query is allowed, because an outage of Redis must not be an outage of search.

        Raises
        ------
        TenantSuspended
            The Tenant is being deleted.
        """
        limit = tenant.spec.quota.queries_per_minute
        try:
            allowed, remaining, reset = await self._count.run(
                tenant, [build_rate_key(tenant.id, tenant.uid)], limit, WINDOW_SECONDS
            )
        except BackendError as exc:
            raise_if_deleting(exc)
            LIMIT_CHECKS_SKIPPED.labels("rate").inc()
            self._log.warning("Cannot count queries; allowing them", error=str(exc))
            return RateLimitResult(limit)
        return RateLimitResult(limit, allowed=bool(allowed), remaining=remaining, reset=reset)
