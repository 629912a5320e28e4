"""Usage report of tenants: counts per day (UTC), persona and model, stored for 400 days.

The report serves cost analysis and never decides about a request. So a failed write is a warning and a
metric, not an error of the request.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta

import structlog
from servicekit.deadline import suspend_deadline
from servicekit.errors import BackendError
from tenancy.model import Tenant
from tenancy.names import build_usage_key

from ..metrics import USAGE_WRITE_FAILURES
from ..problems import LimitsUnavailable
from ..redis import TenantRedis
from .budget import get_utc_now
from .tenant_metrics import TenantMetrics

__all__ = ["Counts", "UsageLog", "UsageRow"]

USAGE_TTL_SECONDS = 400 * 24 * 3600
"""Retention: a year for comparison, and a month of margin."""

WRITE_INTERVAL_SECONDS = 1.0
"""Interval between two writes of pending counts."""

MAX_DAYS = 92
"""Maximum number of days of one report: a quarter."""

DAYS_PER_READ = 7
"""Days that are read and parsed per step of the event loop; a day may have hundreds of rows."""


@dataclass(frozen=True)
class Counts:
    """Usage of one model.

    Parameters
    ----------
    requests
        Calls of the model. A search calls the embedding model; an answer calls the embedding model and then a
        chat model.
    input_tokens, output_tokens
        Tokens of the chat model.
    embedding_tokens
        Tokens of the embedding model.
    cached_answers
        Answers that were returned from the cache without a call of the model.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int = 0
    cached_answers: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        mine, theirs = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})


@dataclass(frozen=True)
class UsageRow:
    """Usage of one model on one day; ``persona_id`` is ``None`` if the request named no persona."""

    day: date
    persona_id: str | None
    model: str
    counts: Counts


class UsageLog:
    """Records and reads the usage of tenants.

    Counts are aggregated in memory and written every second. So no request waits for a write, and the load
    on Redis does not depend on the number of requests. A gateway that terminates abnormally loses up to a
    second.

    Parameters
    ----------
    tenant_metrics
        Counters in Prometheus of the same usage, without days, personas and models.
    now
        Function that returns the current time.
    """

    def __init__(
        self, redis: TenantRedis, tenant_metrics: TenantMetrics, now: Callable[[], datetime] = get_utc_now
    ) -> None:
        self._redis = redis
        self._tenant_metrics = tenant_metrics
        self._now = now
        self._pending: dict[str, tuple[Tenant, Counter[str]]] = {}
        self._log = structlog.get_logger("gateway.limits")

    def record(self, tenant: Tenant, counts: Counts, *, model: str, persona_id: str | None) -> None:
        """Add counts to the tenant's usage of today."""
        self._tenant_metrics.record_tokens(
            tenant, input=counts.input_tokens, output=counts.output_tokens, embedding=counts.embedding_tokens
        )
        key = build_usage_key(tenant.id, tenant.uid, self._now().date())
        _, pending = self._pending.setdefault(key, (tenant, Counter()))
        for name, number in asdict(counts).items():
            if number:
                pending[_build_field(persona_id, model, name)] += number

    async def run(self) -> None:
        """Write pending counts every second until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(WRITE_INTERVAL_SECONDS)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write all pending counts."""
        pending, self._pending = self._pending, {}
        with suspend_deadline():
            await asyncio.gather(*(self._write(key, *used) for key, used in pending.items()))

    async def _write(self, key: str, tenant: Tenant, used: Counter[str]) -> None:
        added = [("HINCRBY", key, field, number) for field, number in used.items()]
        try:
            await self._redis.execute(tenant, "record-usage", *added, ("EXPIRE", key, USAGE_TTL_SECONDS))
        except BackendError as exc:
            # No retry: the write may have succeeded, and a second write would count twice.
            USAGE_WRITE_FAILURES.labels("usage").inc()
            self._log.warning("Cannot write the usage report", error=str(exc), tenant=tenant.key)

    async def read(self, tenant: Tenant, first: date, last: date) -> list[UsageRow]:
        """Return the tenant's usage between two days, inclusive, in order.

        Raises
        ------
        ValueError
            The days are in the wrong order, or more than 92.
        LimitsUnavailable
            Redis does not answer.
        """
        count = (last - first).days + 1
        if not 1 <= count <= MAX_DAYS:
            raise ValueError(f"{first} to {last} is not 1 to {MAX_DAYS} days")
        await self.flush()
        days = [first + timedelta(days=number) for number in range(count)]
        rows: list[UsageRow] = []
        for start in range(0, count, DAYS_PER_READ):
            rows += await self._read(tenant, days[start : start + DAYS_PER_READ])
        return rows

    async def _read(self, tenant: Tenant, days: list[date]) -> list[UsageRow]:
        commands = [("HGETALL", build_usage_key(tenant.id, tenant.uid, day)) for day in days]
        try:
            hashes = await self._redis.execute(tenant, "read-usage", *commands)
        except BackendError as exc:
            raise LimitsUnavailable("The usage cannot be read right now. Try again in a moment.") from exc
        return [row for day, fields_ in zip(days, hashes, strict=True) for row in _to_rows(day, fields_)]


def _build_field(persona_id: str | None, model: str, name: str) -> str:
    """Return the field of the hash; persona ids and model ids cannot contain the separator."""
    return f"{persona_id or ''}|{model}|{name}"


def _to_rows(day: date, stored: dict[str, str]) -> list[UsageRow]:
    count_names = {field.name for field in fields(Counts)}
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for key, number in stored.items():
        persona_id, model, name = key.split("|")
        if name in count_names:  # a newer gateway may write further counts
            counted.setdefault((persona_id, model), {})[name] = int(number)
    return [
        UsageRow(day, persona_id or None, model, Counts(**counts))
        for (persona_id, model), counts in sorted(counted.items())
    ]
