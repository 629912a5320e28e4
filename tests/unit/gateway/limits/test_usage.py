"""The log of usage without Redis. What Redis keeps: tests/integration/gateway/limits."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from gateway.limits.tenant_metrics import TenantSeries
from gateway.limits.usage import READ_DAYS, Counts, UsageLog, UsageRow
from gateway.problems import LimitsUnavailable

from tests.support.limits import FakeRedis, metric, redis_gone
from tests.support.tenants import make_tenant

TENANT = make_tenant("usage")
DAY = date(2026, 11, 23)


def log(redis: FakeRedis) -> UsageLog:
    series = TenantSeries(by_tenant=True)
    return UsageLog(redis.as_adapter(), series, lambda: datetime(2026, 11, 23, 23, 59, tzinfo=UTC))


async def test_only_what_there_is_is_written_and_all_of_it_expires() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    usage.record(TENANT, Counts(requests=1, output_tokens=3), model="a:0", persona_id="finance")
    assert not redis.sent, "nobody waits for it"
    await usage.flush()
    key = "tenant-usage:uid-usage:usage:2026-11-23"
    assert redis.sent == [
        (
            ("HINCRBY", key, "finance|a:0|requests", 1),
            ("HINCRBY", key, "finance|a:0|output_tokens", 3),
            ("EXPIRE", key, 34_560_000),
        )
    ]


async def test_a_failure_to_write_is_a_metric_and_prometheus_counts_all_the_same() -> None:
    lost = metric("tenantry_gateway_usage_lost_total", what="usage")
    tokens = metric("tenantry_gateway_tokens_total", tenant=TENANT.key, kind="input")
    usage = log(redis_gone())
    usage.record(TENANT, Counts(input_tokens=5), model="a", persona_id=None)
    await usage.flush()
    assert metric("tenantry_gateway_usage_lost_total", what="usage") == lost + 1
    assert metric("tenantry_gateway_tokens_total", tenant=TENANT.key, kind="input") == tokens + 5


async def test_what_many_requests_used_is_written_as_one() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    for _ in range(100):
        usage.record(TENANT, Counts(requests=1), model="a", persona_id=None)
    await usage.flush()
    await usage.flush()
    ((first, _),) = redis.sent
    assert first == ("HINCRBY", "tenant-usage:uid-usage:usage:2026-11-23", "|a|requests", 100)


async def test_what_is_left_at_the_end_is_written_too() -> None:
    redis = FakeRedis([])
    usage = log(redis)
    running = asyncio.create_task(usage.run())
    await asyncio.sleep(0)
    usage.record(TENANT, Counts(requests=1), model="a", persona_id=None)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(redis.sent) == 1


async def test_reading_without_redis_says_so() -> None:
    with pytest.raises(LimitsUnavailable):
        await log(redis_gone()).read(TENANT, DAY, DAY)


async def test_rows_are_told_apart_by_persona_and_model_and_unknown_figures_are_left_out() -> None:
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
async def test_a_span_that_is_none_or_too_long_is_refused(first: date, last: date) -> None:
    with pytest.raises(ValueError, match="1 to 92 days"):
        await log(FakeRedis([])).read(TENANT, first, last)


async def test_92_days_are_not_too_many() -> None:
    redis = FakeRedis([{}])
    assert await log(redis).read(TENANT, date(2026, 8, 24), DAY) == []
    asked = [command for sent in redis.sent for command in sent]
    assert len(asked) == len(set(asked)) == 92
    assert max(map(len, redis.sent)) == READ_DAYS, "no step of the event loop parses more"


async def test_all_days_that_there_are_are_refused_before_one_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.limits.usage.timedelta", None)
    with pytest.raises(ValueError, match="is not 1 to 92 days"):
        await log(FakeRedis([])).read(TENANT, date.min, date.max)


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5) + Counts(10, 20, 30, 40, 50) == Counts(11, 22, 33, 44, 55)
