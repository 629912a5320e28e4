"""Tests of the usage log on a fake Redis; tests/integration/gateway/limits covers the real Redis."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from gateway.limits.tenant_metrics import TenantMetrics
from gateway.limits.usage import DAYS_PER_READ, Counts, UsageLog, UsageRow
from gateway.problems import LimitsUnavailable

from tests.support.fakes.limits import FakeRedis, get_metric, make_unavailable_redis
from tests.support.tenants.manifests import make_tenant

TENANT = make_tenant("usage")
DAY = date(2026, 11, 23)


def log(redis: FakeRedis) -> UsageLog:
    tenant_metrics = TenantMetrics(by_tenant=True)
    return UsageLog(
        redis.cast_to_real_class(), tenant_metrics, lambda: datetime(2026, 11, 23, 23, 59, tzinfo=UTC)
    )


async def test_only_nonzero_counts_are_written_and_the_key_expires() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    usage.record(TENANT, Counts(requests=1, output_tokens=3), model="a:0", persona_id="finance")
    assert not redis.sent, "no request waits for the write"
    await usage.flush()
    key = "tenant-usage:uid-usage:usage:2026-11-23"
    assert redis.sent == [
        (
            ("HINCRBY", key, "finance|a:0|requests", 1),
            ("HINCRBY", key, "finance|a:0|output_tokens", 3),
            ("EXPIRE", key, 34_560_000),
        )
    ]


async def test_a_failed_write_is_counted_and_does_not_affect_prometheus() -> None:
    failures = get_metric("tenantry_gateway_usage_write_failures_total", record="usage")
    tokens = get_metric("tenantry_gateway_tokens_total", tenant=TENANT.key, kind="input")
    usage = log(make_unavailable_redis())
    usage.record(TENANT, Counts(input_tokens=5), model="a", persona_id=None)
    await usage.flush()
    assert get_metric("tenantry_gateway_usage_write_failures_total", record="usage") == failures + 1
    assert get_metric("tenantry_gateway_tokens_total", tenant=TENANT.key, kind="input") == tokens + 5


async def test_counts_of_many_requests_are_written_as_one_increment() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    for _ in range(100):
        usage.record(TENANT, Counts(requests=1), model="a", persona_id=None)
    await usage.flush()
    await usage.flush()
    ((first, _),) = redis.sent
    assert first == ("HINCRBY", "tenant-usage:uid-usage:usage:2026-11-23", "|a|requests", 100)


async def test_pending_counts_are_written_at_shutdown() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    running = asyncio.create_task(usage.run())
    await asyncio.sleep(0)
    usage.record(TENANT, Counts(requests=1), model="a", persona_id=None)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(redis.sent) == 1


async def test_without_redis_reading_fails() -> None:
    with pytest.raises(LimitsUnavailable):
        await log(make_unavailable_redis()).read(TENANT, DAY, DAY)


async def test_rows_are_grouped_by_persona_and_model_and_unknown_counts_are_ignored() -> None:
    stored = {
        "|a:0|requests": "2",
        "finance|a:0|requests": "1",
        "finance|a:0|input_tokens": "30",
        "finance|a:0|of_a_newer_gateway": "9",
        "finance|b/c.d|embedding_tokens": "4",
    }
    assert await log(FakeRedis([stored])).read(TENANT, DAY, DAY) == [
        UsageRow(DAY, None, "a:0", Counts(requests=2)),
        UsageRow(DAY, "finance", "a:0", Counts(requests=1, input_tokens=30)),
        UsageRow(DAY, "finance", "b/c.d", Counts(embedding_tokens=4)),
    ]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(DAY, date(2026, 11, 22), id="backwards"),
        pytest.param(date(2026, 8, 23), DAY, id="93-days"),
    ],
)
async def test_an_invalid_or_too_long_period_is_refused(first: date, last: date) -> None:
    with pytest.raises(ValueError, match="1 to 92 days"):
        await log(FakeRedis([])).read(TENANT, first, last)


async def test_92_days_are_accepted_and_read_in_steps() -> None:
    redis = FakeRedis([{}])
    assert await log(redis).read(TENANT, date(2026, 8, 24), DAY) == []
    commands = [command for sent in redis.sent for command in sent]
    assert len(commands) == len(set(commands)) == 92
    assert max(map(len, redis.sent)) == DAYS_PER_READ, "no step of the event loop parses more"


async def test_a_huge_period_is_refused_before_any_day_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.limits.usage.timedelta", None)
    with pytest.raises(ValueError, match="is not 1 to 92 days"):
        await log(FakeRedis([])).read(TENANT, date.min, date.max)


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(11, 22, 33, 44, 55)
