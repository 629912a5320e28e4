"""Model tokens a calendar month (UTC): what Converse reads and writes is paid for by the token.

How many tokens an answer takes is known only afterwards. So the most that it may take is reserved before,
and replaced by what it took after. A reservation whose answer never ends (its gateway died) runs out by
itself.
"""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.names import reservations_key, tokens_key

from ..metrics import REFUSED, USAGE_LOST
from ..problems import BudgetExhausted, LimitsUnavailable
from ..redis import TenantRedis

__all__ = ["BYTES_PER_TOKEN", "Budget", "BudgetState", "Reservation", "estimate_tokens", "now_utc"]

RESERVATION_SECONDS = 300
"""Longer than any answer may take: three attempts of a minute each, and the pauses between them."""

KEEP_SECONDS = 62 * 24 * 3600
"""How long a month's counter stays after its last change: the month before is still there to look at."""

BYTES_PER_TOKEN = 3
"""Less than most texts have (English about 4), so that an estimate is rather too high."""

BUSY_SECONDS = 5
"""When to come back if only the reservations of others stand in the way: about an answer's length."""

_STATE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local used, reserved = tonumber(redis.call('GET', KEYS[1]) or 0), 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf')) do
  reserved = reserved + tonumber(string.match(member, '^%d+'))
end
"""

_READ = f"{_STATE} return {{used, reserved}}"

_RESERVE = f"""{_STATE}
local member, tokens, limit, seconds = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if used + reserved + tokens > limit then return {{0, used, reserved}} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 1)
redis.call('ZADD', KEYS[2], now + seconds * 1000, member)
redis.call('EXPIRE', KEYS[2], seconds)
return {{1, used, reserved}}
"""


@dataclass(frozen=True)
class Reservation:
    """Tokens that are held for one answer, in the month in which it began."""

    tenant: Tenant
    month: date
    tokens: int
    id: str

    @property
    def member(self) -> str:
        """How it stands in Redis."""
        return f"{self.tokens}:{self.id}"


@dataclass(frozen=True)
class BudgetState:
    """A tenant's month: what it may use, has used, and holds for answers under way."""

    limit: int
    used: int
    reserved: int
    resets_at: datetime


def now_utc() -> datetime:
    """Return the time; months and days of limits are those of UTC."""
    return datetime.now(UTC)


def estimate_tokens(*texts: str) -> int:
    """Return how many tokens texts have at most, as a rule."""
    return sum(math.ceil(len(text.encode()) / BYTES_PER_TOKEN) for text in texts)


class Budget:
    """Holds a Tenant to its ``tokensPerMonth``.

    An answer is refused when what is used, what is reserved and what it may take itself are together more
    than the limit. So answers side by side cannot overspend together; the limit is exceeded only by what a
    single answer takes beyond its own reservation. The price is that the very last tokens of a month, fewer
    than one answer may take, stay unused.

    Parameters
    ----------
    now
        Tells the month.
    """

    def __init__(self, redis: TenantRedis, now: Callable[[], datetime] = now_utc) -> None:
        self._redis = redis
        self._now = now
        self._reserve = redis.script("reserve-tokens", _RESERVE)
        self._read = redis.script("read-tokens", _READ)
        self._log = structlog.get_logger("gateway.limits")

    async def reserve(self, tenant: Tenant, tokens: int) -> Reservation:
        """Hold tokens for an answer, until :meth:`settle` or :meth:`release`, or for five minutes.

        Raises
        ------
        BudgetExhausted
            The month does not have them any more.
        LimitsUnavailable
            Redis is away. Tokens cost money, so nothing is spent that is not counted.
        """
        limit = tenant.spec.quota.tokens_per_month
        reservation = Reservation(tenant, _month(self._now()), tokens, uuid.uuid4().hex)
        try:
            allowed, used, reserved = await self._reserve.run(
                tenant, _keys(reservation), reservation.member, tokens, limit, RESERVATION_SECONDS
            )
        except RemoteError as exc:
            raise _unavailable() from exc
        if not allowed:
            REFUSED.labels("tokens").inc()
            state = BudgetState(limit, used, reserved, _next(reservation.month))
            raise _exhausted(state, tokens, self._now())
        return reservation

    async def settle(self, reservation: Reservation, tokens: int) -> None:
        """Count the tokens that an answer took, in the month in which it began, and give the rest back.

        The answer is there already, so nothing is raised when Redis is away: the tokens are then not
        counted, and a metric says so.
        """
        used, reserved = _keys(reservation)
        await self._write(
            reservation,
            "settle-tokens",
            ("ZREM", reserved, reservation.member),
            ("INCRBY", used, tokens),
            ("EXPIRE", used, KEEP_SECONDS),
        )

    async def release(self, reservation: Reservation) -> None:
        """Give everything back: no model was paid. Without Redis it runs out by itself."""
        _, reserved = _keys(reservation)
        await self._write(reservation, "release-tokens", ("ZREM", reserved, reservation.member))

    async def state(self, tenant: Tenant) -> BudgetState:
        """Return how the tenant's month stands.

        Raises
        ------
        LimitsUnavailable
            Redis is away.
        """
        month = _month(self._now())
        keys = [tokens_key(tenant.id, tenant.uid, month), reservations_key(tenant.id, tenant.uid, month)]
        try:
            used, reserved = await self._read.run(tenant, keys)
        except RemoteError as exc:
            raise _unavailable() from exc
        return BudgetState(tenant.spec.quota.tokens_per_month, used, reserved, _next(month))

    async def _write(
        self, reservation: Reservation, operation: str, *commands: tuple[str | int, ...]
    ) -> None:
        try:
            await self._redis.execute(reservation.tenant, operation, *commands)
        except RemoteError as exc:
            USAGE_LOST.labels("tokens").inc()
            self._log.warning("Cannot write to the month's budget", operation=operation, error=str(exc))


def _keys(reservation: Reservation) -> list[str]:
    tenant, month = reservation.tenant, reservation.month
    return [tokens_key(tenant.id, tenant.uid, month), reservations_key(tenant.id, tenant.uid, month)]


def _month(now: datetime) -> date:
    return now.date().replace(day=1)


def _next(month: date) -> datetime:
    year, index = divmod(month.year * 12 + month.month, 12)
    return datetime(year, index + 1, 1, tzinfo=UTC)


def _exhausted(state: BudgetState, tokens: int, now: datetime) -> BudgetExhausted:
    busy = state.used + tokens <= state.limit
    resets_at = state.resets_at.isoformat().replace("+00:00", "Z")
    advice = "Try again when other answers are finished." if busy else "Ask for a higher limit, or wait."
    return BudgetExhausted(
        f"The tenant may use {state.limit} tokens a month. {state.used} are used, answers under way hold "
        f"{state.reserved}, and this one may take {tokens}. The count starts anew at {resets_at}. {advice}",
        retry_after=BUSY_SECONDS if busy else math.ceil((state.resets_at - now).total_seconds()),
        limit=state.limit,
        used=state.used,
        resetsAt=resets_at,
    )


def _unavailable() -> LimitsUnavailable:
    return LimitsUnavailable("The tokens of this month cannot be counted right now. Try again in a moment.")
