"""What tenants use: by day (UTC), persona and model, kept for 400 days.

Kept for people who look at cost, never asked whether a request may pass. So a failure to write it down is
a warning and a metric, and no error to anybody.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta

import structlog
from servicekit.deadline import without_deadline
from servicekit.errors import RemoteError
from tenancy.model import Tenant
from tenancy.names import usage_key

from ..metrics import USAGE_LOST
from ..problems import LimitsUnavailable
from ..redis import TenantRedis
from .budget import now_utc
from .tenant_metrics import TenantSeries

__all__ = ["Counts", "UsageLog", "UsageRow"]

KEEP_SECONDS = 400 * 24 * 3600
"""A year to compare with, and a month to do it in."""

WRITE_SECONDS = 1.0
"""How long what was used waits to be written down."""

MAX_DAYS = 92
"""Most days of one reading: a quarter."""

READ_DAYS = 7
"""Days that are read and parsed in one step of the event loop: each may have hundreds of rows."""


@dataclass(frozen=True)
class Counts:
    """What was used of one model.

    Parameters
    ----------
    requests
        Calls of the model. A search calls the embedding model; an answer calls it, too, and then the model
        that writes.
    input_tokens, output_tokens
        What the model read and wrote.
    embedding_tokens
        What the embedding model read.
    cached_answers
        Answers that were given again without asking the model.
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
    """What was used on a day of one model for one persona; ``None`` where no persona was named."""

    day: date
    persona_id: str | None
    model: str
    counts: Counts


class UsageLog:
    """Writes down what tenants use, and reads it again.

    What was used is added up here and written every second: a request waits for none of it, and a busy
    tenant costs Redis no more than one that asks once. A gateway that dies takes the last second with it.

    Parameters
    ----------
    series
        The same in Prometheus, without days, personas and models.
    now
        Tells the day.
    """

    def __init__(
        self, redis: TenantRedis, series: TenantSeries, now: Callable[[], datetime] = now_utc
    ) -> None:
        self._redis = redis
        self._series = series
        self._now = now
        self._pending: dict[str, tuple[Tenant, Counter[str]]] = {}
        self._log = structlog.get_logger("gateway.limits")

    def record(self, tenant: Tenant, counts: Counts, *, model: str, persona_id: str | None) -> None:
        """Add to what the tenant has used today."""
        self._series.add(
            tenant, input=counts.input_tokens, output=counts.output_tokens, embedding=counts.embedding_tokens
        )
        key = usage_key(tenant.id, tenant.uid, self._now().date())
        _, pending = self._pending.setdefault(key, (tenant, Counter()))
        for name, number in asdict(counts).items():
            if number:
                pending[_field(persona_id, model, name)] += number

    async def run(self) -> None:
        """Write every second what was used, until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write what was used and is not written yet."""
        pending, self._pending = self._pending, {}
        with without_deadline():
            await asyncio.gather(*(self._write(key, *used) for key, used in pending.items()))

    async def _write(self, key: str, tenant: Tenant, used: Counter[str]) -> None:
        added = [("HINCRBY", key, field, number) for field, number in used.items()]
        try:
            await self._redis.execute(tenant, "record-usage", *added, ("EXPIRE", key, KEEP_SECONDS))
        except RemoteError as exc:
            # Not tried again: it may have happened, and what is counted twice is wrong, too.
            USAGE_LOST.labels("usage").inc()
            self._log.warning("Cannot write down what was used", error=str(exc), tenant=tenant.key)

    async def read(self, tenant: Tenant, first: date, last: date) -> list[UsageRow]:
        """Return what the tenant used from one day to another, both included, in order.

        Raises
        ------
        ValueError
            The days are in the wrong order, or more than 92.
        LimitsUnavailable
            Redis is away.
        """
        count = (last - first).days + 1
        if not 1 <= count <= MAX_DAYS:
            raise ValueError(f"{first} to {last} is not 1 to {MAX_DAYS} days")
        await self.flush()
        days = [first + timedelta(days=number) for number in range(count)]
        rows: list[UsageRow] = []
        for start in range(0, count, READ_DAYS):
            rows += await self._read(tenant, days[start : start + READ_DAYS])
        return rows

    async def _read(self, tenant: Tenant, days: list[date]) -> list[UsageRow]:
        commands = [("HGETALL", usage_key(tenant.id, tenant.uid, day)) for day in days]
        try:
            found = await self._redis.execute(tenant, "read-usage", *commands)
        except RemoteError as exc:
            raise LimitsUnavailable("What was used cannot be read right now. Try again in a moment.") from exc
        return [row for day, fields_ in zip(days, found, strict=True) for row in _rows(day, fields_)]


def _field(persona_id: str | None, model: str, name: str) -> str:
    """Return the hash's field; neither persona ids nor model ids can hold the separator."""
    return f"{persona_id or ''}|{model}|{name}"


def _rows(day: date, stored: dict[str, str]) -> list[UsageRow]:
    known = {field.name for field in fields(Counts)}
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for key, number in stored.items():
        persona_id, model, name = key.split("|")
        if name in known:  # a newer gateway may count more
            counted.setdefault((persona_id, model), {})[name] = int(number)
    return [
        UsageRow(day, persona_id or None, model, Counts(**counts))
        for (persona_id, model), counts in sorted(counted.items())
    ]
