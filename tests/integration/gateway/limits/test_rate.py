"""Tests of the rate limiter on a real Redis.

Instead of waiting a minute, the tests move counted queries into the past.
"""

import asyncio
import math
import time
from collections import Counter
from typing import Any

import pytest
from gateway.limits.rate import RateLimiter
from gateway.redis import TenantRedis
from tenancy.model import Tenant
from tenancy.names import build_rate_key

from .conftest import make_new_tenant


@pytest.fixture
def limiter(redis: TenantRedis) -> RateLimiter:
    return RateLimiter(redis)


async def count_allowed(limiter: RateLimiter, tenant: Tenant, times: int) -> int:
    """Return how many of some concurrent queries are allowed."""
    rates = await asyncio.gather(*(limiter.count(tenant) for _ in range(times)))
    assert all(rate.remaining is not None for rate in rates)
    return sum(rate.allowed for rate in rates)


async def move_queries_into_past(redis_client: Any, tenant: Tenant, seconds: int) -> None:
    """Move all counted queries into the past by some seconds."""
    key = build_rate_key(tenant.id, tenant.uid)
    counted = await redis_client.hgetall(key)
    await redis_client.delete(key)
    await redis_client.hset(key, mapping={str(int(second) - seconds): n for second, n in counted.items()})


async def wait_for_early_second(redis_client: Any) -> int:
    """Return the current second of Redis, early enough that it does not end during the test."""
    while True:
        second, micros = await redis_client.time()
        if micros < 300_000:
            return int(second)
        await asyncio.sleep((1_000_000 - micros) / 1_000_000)


async def test_fifty_concurrent_queries_do_not_exceed_the_limit(limiter: RateLimiter) -> None:
    tenant = make_new_tenant(queriesPerMinute=30)
    assert await count_allowed(limiter, tenant, 50) == 30
    assert await count_allowed(limiter, tenant, 50) == 0


async def test_no_sixty_seconds_exceed_the_limit(limiter: RateLimiter, redis_client: Any) -> None:
    """Simulate ninety seconds by moving the counters one second into the past each time."""
    tenant, limit = make_new_tenant(queriesPerMinute=20), 20
    passed: Counter[int] = Counter()
    for moved in range(90):
        second = int((await redis_client.time())[0]) + moved
        passed[second] += await count_allowed(limiter, tenant, 7)
        await move_queries_into_past(redis_client, tenant, 1)
    for start in passed:
        assert sum(passed[second] for second in range(start, start + 60)) <= limit
    assert passed.total() > limit, "queries are allowed again later"


async def test_a_query_leaves_the_window_after_a_minute(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=1)
    await wait_for_early_second(redis_client)
    assert await count_allowed(limiter, tenant, 1) == 1
    await move_queries_into_past(redis_client, tenant, 60)
    assert await count_allowed(limiter, tenant, 1) == 0
    await move_queries_into_past(redis_client, tenant, 1)
    assert await count_allowed(limiter, tenant, 1) == 1


async def test_remaining_and_reset_are_exact(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=3)
    await wait_for_early_second(redis_client)
    first = await limiter.count(tenant)
    assert (first.allowed, first.remaining, first.reset) == (True, 2, 61)
    await move_queries_into_past(redis_client, tenant, 20)
    second = await limiter.count(tenant)
    assert (second.allowed, second.remaining, second.reset) == (True, 1, 41)
    await move_queries_into_past(redis_client, tenant, 10)
    await limiter.count(tenant)
    refused = await limiter.count(tenant)
    assert (refused.allowed, refused.remaining, refused.reset) == (False, 0, 31)
    await move_queries_into_past(redis_client, tenant, refused.reset - 1)
    assert not (await limiter.count(tenant)).allowed
    await move_queries_into_past(redis_client, tenant, 1)
    assert (await limiter.count(tenant)).allowed


async def test_refused_queries_are_not_counted(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=2)
    await count_allowed(limiter, tenant, 2)
    before = await redis_client.hgetall(build_rate_key(tenant.id, tenant.uid))
    assert await count_allowed(limiter, tenant, 20) == 0
    assert await redis_client.hgetall(build_rate_key(tenant.id, tenant.uid)) == before


async def test_a_limit_of_zero_allows_no_query(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=0)
    rate = await limiter.count(tenant)
    assert (rate.allowed, rate.remaining, rate.reset) == (False, 0, 60)
    assert not await redis_client.exists(build_rate_key(tenant.id, tenant.uid))


async def test_a_changed_limit_takes_effect_immediately(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=10)
    await wait_for_early_second(redis_client)
    assert await count_allowed(limiter, tenant, 4) == 4
    await move_queries_into_past(redis_client, tenant, 30)
    assert await count_allowed(limiter, tenant, 4) == 4
    lower = tenant.model_copy(update={"spec": make_new_tenant(queriesPerMinute=3).spec})
    refused = await limiter.count(lower)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert refused.reset == 61, "all queries must leave the window before one fits"
    higher = tenant.model_copy(update={"spec": make_new_tenant(queriesPerMinute=9).spec})
    assert await count_allowed(limiter, higher, 5) == 1


async def test_tenants_never_share_a_counter(limiter: RateLimiter) -> None:
    one, other = make_new_tenant(queriesPerMinute=5), make_new_tenant(queriesPerMinute=5)
    assert await count_allowed(limiter, one, 10) == 5
    assert await count_allowed(limiter, other, 10) == 5


async def test_the_counters_are_bounded_and_expire(limiter: RateLimiter, redis_client: Any) -> None:
    tenant = make_new_tenant(queriesPerMinute=1_000_000)
    for _ in range(80):
        await limiter.count(tenant)
        await move_queries_into_past(redis_client, tenant, 1)
    await limiter.count(tenant)
    # One more counter than the window has, if a second began during the loop.
    assert await redis_client.hlen(build_rate_key(tenant.id, tenant.uid)) <= 62
    assert 0 < await redis_client.ttl(build_rate_key(tenant.id, tenant.uid)) <= 61


async def test_a_clock_that_was_set_back_does_not_block_queries(
    limiter: RateLimiter, redis_client: Any
) -> None:
    tenant = make_new_tenant(queriesPerMinute=5)
    await redis_client.hset(build_rate_key(tenant.id, tenant.uid), str(math.floor(time.time()) + 3600), 5)
    rate = await limiter.count(tenant)
    assert (rate.allowed, rate.remaining) == (True, 4)
    assert await redis_client.hlen(build_rate_key(tenant.id, tenant.uid)) == 1
