"""Tests of the scripts of the answer cache and of index changes on a real Redis."""

import time
import uuid
from typing import Any

import pytest
from gateway.answers.cache import MAX_ANSWERS, AnswerCache, CacheOutcome, CacheSlot
from gateway.answers.service import Answer
from gateway.index_fence import FENCE_TTL_SECONDS, IndexWriteFence
from gateway.redis import TenantRedis
from tenancy.model import Tenant
from tenancy.names import build_answers_key, build_changes_key

from tests.support.tenants.manifests import make_tenant

ANSWER = Answer("It hangs behind the piano [1].", "m")


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(f"t-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def cache(redis: TenantRedis) -> AnswerCache:
    return AnswerCache(redis, seconds=60)


@pytest.fixture
def changes(redis: TenantRedis) -> IndexWriteFence:
    return IndexWriteFence(redis)


async def get_slot(cache: AnswerCache, tenant: Tenant, key: str = "d") -> CacheSlot:
    slot = (await cache.get(tenant, key)).slot
    assert slot
    return slot


async def test_an_answer_is_found_by_its_key_in_its_tenant_only(cache: AnswerCache, tenant: Tenant) -> None:
    await cache.put(tenant, await get_slot(cache, tenant), ANSWER)
    lookup = await cache.get(tenant, "d")
    assert (lookup.outcome, lookup.answer) == (CacheOutcome.HIT, ANSWER)
    assert (await cache.get(tenant, "e")).outcome is CacheOutcome.MISS
    assert (await cache.get(make_tenant(f"{tenant.id}x"), "d")).outcome is CacheOutcome.MISS


async def test_a_change_deletes_answers_at_its_start_and_at_its_end(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, redis_client: Any
) -> None:
    slot = await get_slot(cache, tenant)
    await cache.put(tenant, slot, ANSWER)
    async with changes.fence_write(tenant):
        assert not await redis_client.exists(build_answers_key(tenant.id, tenant.uid)), (
            "cached text is deleted immediately"
        )
        assert await cache.get(tenant, "d") == await cache.get(tenant, "e")
        assert (await cache.get(tenant, "d")).outcome is CacheOutcome.BYPASS
        await cache.put(tenant, slot, ANSWER)
        assert not await redis_client.exists(build_answers_key(tenant.id, tenant.uid))
        # Simulate a writer that ignores the change.
        await redis_client.hset(build_answers_key(tenant.id, tenant.uid), "d", "{}")
    assert not await redis_client.exists(
        build_answers_key(tenant.id, tenant.uid), build_changes_key(tenant.id, tenant.uid)
    )
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS


async def test_an_answer_generated_before_a_change_is_not_stored_after_it(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant
) -> None:
    before = await get_slot(cache, tenant)
    async with changes.fence_write(tenant):
        pass
    await cache.put(tenant, before, ANSWER)
    after = await get_slot(cache, tenant)
    assert after.version != before.version
    await cache.put(tenant, before, ANSWER)
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS


async def test_concurrent_changes_are_counted_separately(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant
) -> None:
    async with changes.fence_write(tenant):
        async with changes.fence_write(tenant):
            pass
        assert (await cache.get(tenant, "d")).outcome is CacheOutcome.BYPASS
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS


async def test_the_change_of_a_terminated_gateway_expires(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, redis_client: Any
) -> None:
    before = await get_slot(cache, tenant)
    await cache.put(tenant, before, ANSWER)
    with pytest.raises(ZeroDivisionError):
        async with changes.fence_write(tenant):
            raise ZeroDivisionError
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.BYPASS
    key = build_changes_key(tenant.id, tenant.uid)
    ((change, deadline),) = await redis_client.zrange(key, 0, -1, withscores=True)
    assert deadline / 1000 - time.time() == pytest.approx(FENCE_TTL_SECONDS, abs=2)
    assert 0 < await redis_client.ttl(key) <= FENCE_TTL_SECONDS
    await redis_client.zadd(key, {change: deadline - FENCE_TTL_SECONDS * 1000 - 1})
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS, (
        "caching continues, without earlier answers"
    )
    await cache.put(tenant, before, ANSWER)
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS
    async with changes.fence_write(tenant):
        assert await redis_client.zcard(key) == 1, "the expired change is removed"


async def test_a_change_that_ends_after_its_expiry_still_deletes_answers(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, redis_client: Any
) -> None:
    async with changes.fence_write(tenant):
        await redis_client.delete(build_changes_key(tenant.id, tenant.uid))
        await cache.put(tenant, await get_slot(cache, tenant), ANSWER)
        assert (await cache.get(tenant, "d")).outcome is CacheOutcome.HIT
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS


async def test_answers_expire_a_fixed_time_after_the_first_lookup(
    cache: AnswerCache, tenant: Tenant, redis_client: Any
) -> None:
    slot = await get_slot(cache, tenant)
    key = build_answers_key(tenant.id, tenant.uid)
    assert 0 < await redis_client.ttl(key) <= 60
    await redis_client.expire(key, 5)
    await cache.put(tenant, slot, ANSWER)
    await cache.get(tenant, "d")
    assert 0 < await redis_client.ttl(key) <= 5
    await redis_client.delete(key)
    assert (await get_slot(cache, tenant)).version != slot.version, (
        "an answer of a deleted version is not returned"
    )
    await cache.put(tenant, slot, ANSWER)
    assert (await cache.get(tenant, "d")).outcome is CacheOutcome.MISS


async def test_the_number_of_answers_of_a_tenant_is_limited(
    cache: AnswerCache, tenant: Tenant, redis_client: Any
) -> None:
    slot = await get_slot(cache, tenant)
    await redis_client.hset(
        build_answers_key(tenant.id, tenant.uid),
        mapping={f"q{number}": "{}" for number in range(MAX_ANSWERS - 1)},
    )
    for key in ("last", "too-many"):
        await cache.put(tenant, CacheSlot(key, slot.version), ANSWER)
    assert (await cache.get(tenant, "last")).outcome is CacheOutcome.HIT
    assert (await cache.get(tenant, "too-many")).outcome is CacheOutcome.MISS
