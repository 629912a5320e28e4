"""Fakes of the limits. By default they allow everything, and they record the use."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

from gateway.limits.budget import Budget, BudgetState, Reservation
from gateway.limits.rate import RateLimiter, RateLimitResult
from gateway.limits.storage_quota import StorageQuota
from gateway.limits.tenant_metrics import TenantMetrics
from gateway.limits.token_meter import TokenMeter
from gateway.limits.usage import Counts, UsageLog, UsageRow
from gateway.redis import TenantRedis
from prometheus_client import REGISTRY
from servicekit.errors import BackendUnavailable, TenantryError
from tenancy.model import Tenant
from tenancy.names import build_redis_prefix

__all__ = [
    "FakeBudget",
    "FakeRateLimiter",
    "FakeRedis",
    "FakeStorageQuota",
    "FakeUsage",
    "get_metric",
    "make_token_meter",
    "make_unavailable_redis",
]

MONTH = date(2026, 11, 1)
RESETS_AT = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class FakeRateLimiter:
    """Returns ``result`` for every query; by default the result of a first query."""

    result: RateLimitResult | None = None
    checked: list[str] = field(default_factory=list)

    async def count(self, tenant: Tenant) -> RateLimitResult:
        self.checked.append(tenant.id)
        limit = tenant.spec.quota.queries_per_minute
        return self.result or RateLimitResult(limit, remaining=limit - 1, reset=61)

    def cast_to_real_class(self) -> RateLimiter:
        """Return this fake typed as the real class."""
        return cast("RateLimiter", self)


@dataclass
class FakeBudget:
    """Fake token budget: records reservations and their outcomes, or raises ``refuses`` if set."""

    refuses: TenantryError | None = None
    reserved: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    released: int = 0

    async def reserve(self, tenant: Tenant, tokens: int) -> Reservation:
        if self.refuses:
            raise self.refuses
        self.reserved.append(tokens)
        return Reservation(tenant, MONTH, tokens, "an-id")

    async def commit(self, reservation: Reservation, tokens: int) -> None:
        self.settled.append(tokens)

    async def release(self, reservation: Reservation) -> None:
        self.released += 1

    async def get_state(self, tenant: Tenant) -> BudgetState:
        limit = tenant.spec.quota.tokens_per_month
        return BudgetState(limit, sum(self.settled), 0, RESETS_AT)

    def cast_to_real_class(self) -> Budget:
        """Return this fake typed as the real class."""
        return cast("Budget", self)


class FakeStorageQuota:
    """Records reservations and releases, or raises ``refuses`` if set."""

    def __init__(self) -> None:
        self.refuses: TenantryError | None = None
        self.reserved: list[tuple[str, str, int]] = []
        self.released: list[str] = []

    async def count(self, tenant: Tenant, list_stored: Callable[[], Awaitable[Mapping[str, int]]]) -> int:
        return len(await list_stored())

    async def reserve(
        self,
        tenant: Tenant,
        document_id: str,
        size: int,
        list_stored: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        if self.refuses:
            raise self.refuses
        await list_stored()
        self.reserved.append((tenant.id, document_id, size))

    async def release(self, tenant: Tenant, document_id: str) -> None:
        self.released.append(document_id)
        if self.refuses:
            raise self.refuses

    def cast_to_real_class(self) -> StorageQuota:
        """Return this fake typed as the real class."""
        return cast("StorageQuota", self)


@dataclass
class FakeUsage:
    """Records usage and returns ``rows``."""

    recorded: list[tuple[str, str | None, str, Counts]] = field(default_factory=list)
    rows: list[UsageRow] = field(default_factory=list)

    def record(self, tenant: Tenant, counts: Counts, *, model: str, persona_id: str | None) -> None:
        self.recorded.append((tenant.id, persona_id, model, counts))

    async def read(self, tenant: Tenant, first: date, last: date) -> list[UsageRow]:
        if last < first:
            raise ValueError("the wrong way round")
        return [row for row in self.rows if first <= row.day <= last]

    def cast_to_real_class(self) -> UsageLog:
        """Return this fake typed as the real class."""
        return cast("UsageLog", self)


def make_token_meter(budget: FakeBudget, usage: FakeUsage) -> TokenMeter:
    """Return a real token meter on fakes."""
    return TokenMeter(budget.cast_to_real_class(), usage.cast_to_real_class(), TenantMetrics(by_tenant=True))


class FakeRedis:
    """Returns or raises ``answer`` for every script and transaction, and records the commands."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent: list[tuple[Any, ...]] = []

    def register_script(self, operation: str, source: str, *, ends_work: bool = False) -> "FakeRedis":
        assert source
        return self

    async def run(self, tenant: Tenant, keys: list[str], *arguments: int | str) -> Any:
        assert all(key.startswith(build_redis_prefix(tenant.id, tenant.uid)) for key in keys)
        return self._answer(*keys, *arguments)

    async def execute(self, tenant: Tenant, operation: str, *commands: tuple[str | int, ...]) -> Any:
        answer = self._answer(*commands)
        # A list with one answer is the answer to every command.
        return answer * len(commands) if isinstance(answer, list) and len(answer) == 1 else answer

    def cast_to_real_class(self) -> TenantRedis:
        """Return this fake typed as the real class."""
        return cast("TenantRedis", self)

    def _answer(self, *sent: Any) -> Any:
        self.sent.append(sent)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def make_unavailable_redis() -> FakeRedis:
    """Return a fake Redis that does not answer."""
    return FakeRedis(BackendUnavailable("redis", "any", "host redis-1 is down"))


def get_metric(name: str, **labels: str) -> float:
    """Return the value of a metric; 0 if the series does not exist."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
