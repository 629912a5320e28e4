"""Months, estimates and refusals. What Redis counts: tests/integration/gateway/limits."""

from datetime import UTC, datetime
from typing import Any

import pytest
from gateway.limits.budget import Budget, BudgetState, Reservation, estimate_tokens
from gateway.problems import BudgetExhausted, LimitsUnavailable

from tests.support.limits import FakeRedis, metric, redis_gone
from tests.support.tenants import make_tenant

TENANT = make_tenant("tenanta", quota={"tokensPerMonth": 1000})


def budget(answer: Any, now: str = "2026-11-23T12:00:00") -> Budget:
    redis = answer if isinstance(answer, FakeRedis) else FakeRedis(answer)
    return Budget(redis.as_adapter(), lambda: datetime.fromisoformat(now).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        pytest.param(("", ""), 0, id="nothing"),
        pytest.param(("abcd",), 2, id="rounded-up"),
        pytest.param(("abc", "a"), 2, id="two-texts"),
        pytest.param(("年度予算",), 4, id="a-token-a-sign-where-letters-are-long"),
    ],
)
def test_an_estimate_is_rather_too_high(texts: tuple[str, ...], tokens: int) -> None:
    assert estimate_tokens(*texts) == tokens


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
async def test_a_month_is_a_calendar_month_of_utc(now: str, key: str, resets_at: datetime) -> None:
    redis = FakeRedis([400, 50])
    assert await budget(redis, now).state(TENANT) == BudgetState(1000, 400, 50, resets_at)
    assert redis.sent == [(key, f"{key}:reserved")]


async def test_a_refusal_says_what_is_used_and_when_it_starts_anew() -> None:
    before = metric("tenantry_gateway_refused_total", limit="tokens")
    with pytest.raises(BudgetExhausted) as refused:
        await budget([0, 950, 0]).reserve(TENANT, 100)
    assert refused.value.extensions == {"limit": 1000, "used": 950, "resetsAt": "2026-12-01T00:00:00Z"}
    assert "2026-12-01T00:00:00Z" in refused.value.detail
    assert refused.value.retry_after == 7.5 * 24 * 3600
    assert metric("tenantry_gateway_refused_total", limit="tokens") == before + 1


async def test_who_is_refused_because_of_answers_under_way_may_come_back_soon() -> None:
    with pytest.raises(BudgetExhausted, match="when other answers are finished") as refused:
        await budget([0, 500, 450]).reserve(TENANT, 100)
    assert refused.value.retry_after == 5


async def test_without_redis_nothing_is_reserved_and_nothing_is_shown() -> None:
    with pytest.raises(LimitsUnavailable) as refused:
        await budget(redis_gone()).reserve(TENANT, 1)
    assert "redis-1" not in refused.value.detail
    with pytest.raises(LimitsUnavailable):
        await budget(redis_gone()).state(TENANT)


async def test_an_answer_that_is_there_does_not_fail_because_of_its_bill() -> None:
    before = metric("tenantry_gateway_usage_lost_total", what="tokens")
    reservation = Reservation(TENANT, datetime(2026, 11, 1, tzinfo=UTC).date(), 10, "id")
    await budget(redis_gone()).settle(reservation, 7)
    await budget(redis_gone()).release(reservation)
    assert metric("tenantry_gateway_usage_lost_total", what="tokens") == before + 2
