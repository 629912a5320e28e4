"""Tests of the token budget on a fake Redis; tests/integration/gateway/limits covers the scripts."""

from datetime import UTC, datetime
from typing import Any

import pytest
from gateway.limits.budget import Budget, BudgetState, Reservation
from gateway.problems import BudgetExhausted, LimitsUnavailable

from tests.support.fakes.limits import FakeRedis, get_metric, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("tenanta", quota={"tokensPerMonth": 1000})


def make_budget(answer: Any, now: str = "2026-11-23T12:00:00") -> Budget:
    redis = answer if isinstance(answer, FakeRedis) else FakeRedis(answer)
    return Budget(redis.cast_to_real_class(), lambda: datetime.fromisoformat(now).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "key", "resets_at"),
    [
        (
            "2026-11-30T23:59:59.999999",
            "tenant-tenanta:uid-tenanta:tokens:2026-11",
            datetime(2026, 12, 1, tzinfo=UTC),
        ),
        (
            "2026-12-01T00:00:00",
            "tenant-tenanta:uid-tenanta:tokens:2026-12",
            datetime(2027, 1, 1, tzinfo=UTC),
        ),
        (
            "2028-02-29T12:00:00",
            "tenant-tenanta:uid-tenanta:tokens:2028-02",
            datetime(2028, 3, 1, tzinfo=UTC),
        ),
    ],
)
async def test_a_budget_covers_a_calendar_month_in_utc(now: str, key: str, resets_at: datetime) -> None:
    redis = FakeRedis([400, 50])
    assert await make_budget(redis, now).get_state(TENANT) == BudgetState(1000, 400, 50, resets_at)
    assert redis.sent == [(key, f"{key}:reserved")]


async def test_a_refusal_states_the_usage_and_the_time_of_the_reset() -> None:
    before = get_metric("tenantry_gateway_limit_exceeded_total", limit="tokens")
    with pytest.raises(BudgetExhausted) as refused:
        await make_budget([0, 950, 0]).reserve(TENANT, 100)
    assert refused.value.extensions == {"limit": 1000, "used": 950, "resetsAt": "2026-12-01T00:00:00Z"}
    assert "2026-12-01T00:00:00Z" in refused.value.detail
    assert refused.value.retry_after == 7.5 * 24 * 3600
    assert get_metric("tenantry_gateway_limit_exceeded_total", limit="tokens") == before + 1


async def test_a_refusal_due_to_concurrent_answers_has_a_short_retry_after() -> None:
    with pytest.raises(BudgetExhausted, match="when other answers are complete") as refused:
        await make_budget([0, 500, 450]).reserve(TENANT, 100)
    assert refused.value.retry_after == 5


async def test_without_redis_reserving_and_reading_fail_without_internal_details() -> None:
    with pytest.raises(LimitsUnavailable) as refused:
        await make_budget(make_unavailable_redis()).reserve(TENANT, 1)
    assert "redis-1" not in refused.value.detail
    with pytest.raises(LimitsUnavailable):
        await make_budget(make_unavailable_redis()).get_state(TENANT)


async def test_without_redis_settling_and_releasing_raise_nothing() -> None:
    before = get_metric("tenantry_gateway_usage_write_failures_total", record="tokens")
    reservation = Reservation(TENANT, datetime(2026, 11, 1, tzinfo=UTC).date(), 10, "id")
    await make_budget(make_unavailable_redis()).commit(reservation, 7)
    await make_budget(make_unavailable_redis()).release(reservation)
    assert get_metric("tenantry_gateway_usage_write_failures_total", record="tokens") == before + 2
