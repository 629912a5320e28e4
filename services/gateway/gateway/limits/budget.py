"""Monthly budget of model tokens per tenant (calendar month, UTC).

The tokens of an answer are known only after the answer. So the budget reserves an upper bound before the call
and replaces it with the actual number afterwards. A reservation expires if its gateway terminates.
"""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import structlog
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_reservations_key, build_tokens_key

from ..metrics import LIMIT_EXCEEDED, USAGE_WRITE_FAILURES
from ..problems import BudgetExhausted, LimitsUnavailable
from ..redis import TenantRedis

__all__ = ["Budget", "BudgetState", "Reservation", "get_utc_now"]

RESERVATION_TTL_SECONDS = 300
"""Lifetime of a reservation: longer than any answer (three attempts of a minute each, and pauses)."""

COUNTER_TTL_SECONDS = 62 * 24 * 3600
"""Lifetime of a month's counter after its last change; the previous month stays readable."""

RETRY_AFTER_SECONDS = 5
"""``Retry-After`` if only concurrent reservations exceed the limit: about the duration of an answer."""

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
    """Tokens reserved for one answer, in the month in which the answer began."""

    tenant: Tenant
    month: date
    tokens: int
    id: str

    @property
    def member(self) -> str:
        """Member of the sorted set in Redis."""
        return f"{self.tokens}:{self.id}"


@dataclass(frozen=True)
class BudgetState:
    """A tenant's budget of the month: limit, used tokens and reserved tokens."""

    limit: int
    used: int
    reserved: int
    resets_at: datetime


def get_utc_now() -> datetime:
    """Return the current time in UTC, which defines the months and days of limits."""
    return datetime.now(UTC)


class Budget:
    """Enforces a Tenant's ``tokensPerMonth``.

    An answer is refused if used tokens, reserved tokens and its own upper bound exceed the limit together. So
    concurrent answers cannot exceed the limit together; only tokens beyond an answer's reservation can exceed
    the limit. The last tokens of a month stay unused if they are fewer than the upper bound of one answer.

    Parameters
    ----------
    now
        Function that returns the current time.
    """

    def __init__(self, redis: TenantRedis, now: Callable[[], datetime] = get_utc_now) -> None:
        self._redis = redis
        self._now = now
        self._reserve = redis.register_script("reserve-tokens", _RESERVE)
        self._read = redis.register_script("read-tokens", _READ)
        self._log = structlog.get_logger("gateway.limits")

    async def reserve(self, tenant: Tenant, tokens: int) -> Reservation:
        """Reserve tokens for an answer until :meth:`commit` or :meth:`release`, at most five minutes.

        Raises
        ------
        BudgetExhausted
            The remaining budget does not suffice.
        LimitsUnavailable
            Redis does not answer. Tokens cost money, so uncounted calls are refused.
        """
        limit = tenant.spec.quota.tokens_per_month
        reservation = Reservation(tenant, _get_month(self._now()), tokens, uuid.uuid4().hex)
        try:
            allowed, used, reserved = await self._reserve.run(
                tenant, _list_keys(reservation), reservation.member, tokens, limit, RESERVATION_TTL_SECONDS
            )
        except BackendError as exc:
            raise _build_unavailable() from exc
        if not allowed:
            LIMIT_EXCEEDED.labels("tokens").inc()
            state = BudgetState(limit, used, reserved, _get_next_month(reservation.month))
            raise _build_exhausted(state, tokens, self._now())
        return reservation

    async def commit(self, reservation: Reservation, tokens: int) -> None:
        """Count the tokens of an answer in the month of its reservation, and release the reservation.

        The answer exists already, so a failure of Redis raises nothing. The tokens are then not counted, and
        a metric counts the failure.
        """
        used, reserved = _list_keys(reservation)
        await self._write(
            reservation,
            "commit-tokens",
            ("ZREM", reserved, reservation.member),
            ("INCRBY", used, tokens),
            ("EXPIRE", used, COUNTER_TTL_SECONDS),
        )

    async def release(self, reservation: Reservation) -> None:
        """Release a reservation without counting tokens; without Redis it expires."""
        _, reserved = _list_keys(reservation)
        await self._write(reservation, "release-tokens", ("ZREM", reserved, reservation.member))

    async def get_state(self, tenant: Tenant) -> BudgetState:
        """Return the tenant's budget of the current month.

        Raises
        ------
        LimitsUnavailable
            Redis does not answer.
        """
        month = _get_month(self._now())
        keys = [
            build_tokens_key(tenant.id, tenant.uid, month),
            build_reservations_key(tenant.id, tenant.uid, month),
        ]
        try:
            used, reserved = await self._read.run(tenant, keys)
        except BackendError as exc:
            raise _build_unavailable() from exc
        return BudgetState(tenant.spec.quota.tokens_per_month, used, reserved, _get_next_month(month))

    async def _write(
        self, reservation: Reservation, operation: str, *commands: tuple[str | int, ...]
    ) -> None:
        try:
            await self._redis.execute(reservation.tenant, operation, *commands)
        except BackendError as exc:
            USAGE_WRITE_FAILURES.labels("tokens").inc()
            self._log.warning("Cannot update the monthly token budget", operation=operation, error=str(exc))


def _list_keys(reservation: Reservation) -> list[str]:
    tenant, month = reservation.tenant, reservation.month
    return [
        build_tokens_key(tenant.id, tenant.uid, month),
        build_reservations_key(tenant.id, tenant.uid, month),
    ]


def _get_month(now: datetime) -> date:
    return now.date().replace(day=1)


def _get_next_month(month: date) -> datetime:
    year, index = divmod(month.year * 12 + month.month, 12)
    return datetime(year, index + 1, 1, tzinfo=UTC)


def _build_exhausted(state: BudgetState, tokens: int, now: datetime) -> BudgetExhausted:
    busy = state.used + tokens <= state.limit
    resets_at = state.resets_at.isoformat().replace("+00:00", "Z")
    advice = "Try again when other answers are complete." if busy else "Ask for a higher limit, or wait."
    return BudgetExhausted(
        f"The tenant may use {state.limit} tokens a month. {state.used} are used, {state.reserved} are "
        f"reserved for concurrent answers, and this answer needs up to {tokens}. "
        f"The budget resets at {resets_at}. {advice}",
        retry_after=RETRY_AFTER_SECONDS if busy else math.ceil((state.resets_at - now).total_seconds()),
        limit=state.limit,
        used=state.used,
        resetsAt=resets_at,
    )


def _build_unavailable() -> LimitsUnavailable:
    return LimitsUnavailable("The token budget cannot be checked right now. Try again in a moment.")
