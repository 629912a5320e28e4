"""Test of the usage log on a real Redis."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from gateway.limits.tenant_metrics import TenantMetrics
from gateway.limits.usage import Counts, UsageLog, UsageRow
from gateway.redis import TenantRedis
from tenancy.names import build_usage_key

from .conftest import make_new_tenant


async def test_counts_add_up_by_day_persona_and_model(redis: TenantRedis, redis_client: Any) -> None:
    now = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
    log = UsageLog(redis, TenantMetrics(by_tenant=True), lambda: now)
    one, other = make_new_tenant(), make_new_tenant()
    answer = Counts(requests=1, input_tokens=30, output_tokens=12)
    logs = [log, UsageLog(redis, TenantMetrics(by_tenant=True), lambda: now)]
    for number in range(50):
        logs[number % 2].record(one, answer, model="a:0", persona_id="finance")
    await asyncio.gather(*(log.flush() for log in logs))
    log.record(one, Counts(cached_answers=1), model="a:0", persona_id="finance")
    log.record(one, Counts(requests=1, embedding_tokens=4), model="e", persona_id=None)
    log.record(other, answer, model="a:0", persona_id="finance")
    now = datetime(2026, 11, 24, tzinfo=UTC)
    log.record(one, answer, model="a:0", persona_id="legal")
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert await log.read(one, date(2026, 11, 1), tuesday) == [
        UsageRow(monday, None, "e", Counts(requests=1, embedding_tokens=4)),
        UsageRow(monday, "finance", "a:0", Counts(50, 1500, 600, 0, 1)),
        UsageRow(tuesday, "legal", "a:0", answer),
    ]
    assert await log.read(other, monday, tuesday) == [UsageRow(monday, "finance", "a:0", answer)]
    assert 399 < await redis_client.ttl(build_usage_key(one.id, one.uid, monday)) / 86400 <= 400
