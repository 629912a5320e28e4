"""The cache and changes of the index, as the real Redis runs their scripts."""

import time
import uuid
from typing import Any

import pytest
from gateway.answers.cache import ANSWERS, AnswerCache, Outcome, Slot
from gateway.answers.service import Answer
from gateway.index_fence import EXPIRY_SECONDS, IndexWriteFence
from gateway.redis import TenantRedis
from tenancy.model import Tenant
from tenancy.names import answers_key, changes_key

from tests.support.tenants import make_tenant

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


async def slot_of(cache: AnswerCache, tenant: Tenant, digest: str = "d") -> Slot:
    slot = (await cache.find(tenant, digest)).slot
    assert slot
    return slot


async def test_what_is_kept_is_found_by_its_own_name_in_its_own_tenant(
    cache: AnswerCache, tenant: Tenant
) -> None:
    await cache.keep(tenant, await slot_of(cache, tenant), ANSWER)
    look = await cache.find(tenant, "d")
    assert (look.outcome, look.answer) == (Outcome.HIT, ANSWER)
    assert (await cache.find(tenant, "e")).outcome is Outcome.MISS
    assert (await cache.find(make_tenant(f"{tenant.id}x"), "d")).outcome is Outcome.MISS


async def test_a_change_throws_answers_away_at_its_begin_and_at_its_end(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, raw: Any
) -> None:
    slot = await slot_of(cache, tenant)
    await cache.keep(tenant, slot, ANSWER)
    async with changes.guard(tenant):
        assert not await raw.exists(answers_key(tenant.id, tenant.uid)), "text of documents goes at once"
        assert await cache.find(tenant, "d") == await cache.find(tenant, "e")
        assert (await cache.find(tenant, "d")).outcome is Outcome.BYPASS
        await cache.keep(tenant, slot, ANSWER)
        assert not await raw.exists(answers_key(tenant.id, tenant.uid))
        # As one would who did not know of the change.
        await raw.hset(answers_key(tenant.id, tenant.uid), "d", "{}")
    assert not await raw.exists(answers_key(tenant.id, tenant.uid), changes_key(tenant.id, tenant.uid))
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS


async def test_an_answer_drawn_before_a_change_is_not_kept_after_it(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant
) -> None:
    before = await slot_of(cache, tenant)
    async with changes.guard(tenant):
        pass
    await cache.keep(tenant, before, ANSWER)
    after = await slot_of(cache, tenant)
    assert after.version != before.version
    await cache.keep(tenant, before, ANSWER)
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS


async def test_one_change_that_ends_does_not_end_another(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant
) -> None:
    async with changes.guard(tenant):
        async with changes.guard(tenant):
            pass
        assert (await cache.find(tenant, "d")).outcome is Outcome.BYPASS
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS


async def test_the_change_of_a_gateway_that_died_runs_out(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, raw: Any
) -> None:
    before = await slot_of(cache, tenant)
    await cache.keep(tenant, before, ANSWER)
    with pytest.raises(ZeroDivisionError):
        async with changes.guard(tenant):
            raise ZeroDivisionError
    assert (await cache.find(tenant, "d")).outcome is Outcome.BYPASS
    key = changes_key(tenant.id, tenant.uid)
    ((change, deadline),) = await raw.zrange(key, 0, -1, withscores=True)
    assert deadline / 1000 - time.time() == pytest.approx(EXPIRY_SECONDS, abs=2)
    assert 0 < await raw.ttl(key) <= EXPIRY_SECONDS
    await raw.zadd(key, {change: deadline - EXPIRY_SECONDS * 1000 - 1})
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS, "caching goes on, with nothing of before"
    await cache.keep(tenant, before, ANSWER)
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS
    async with changes.guard(tenant):
        assert await raw.zcard(key) == 1, "the dead one is swept away"


async def test_a_change_that_outlived_its_time_still_takes_all_answers_along(
    cache: AnswerCache, changes: IndexWriteFence, tenant: Tenant, raw: Any
) -> None:
    async with changes.guard(tenant):
        await raw.delete(changes_key(tenant.id, tenant.uid))
        await cache.keep(tenant, await slot_of(cache, tenant), ANSWER)
        assert (await cache.find(tenant, "d")).outcome is Outcome.HIT
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS


async def test_answers_live_a_fixed_time_however_often_they_are_used(
    cache: AnswerCache, tenant: Tenant, raw: Any
) -> None:
    slot = await slot_of(cache, tenant)
    key = answers_key(tenant.id, tenant.uid)
    assert 0 < await raw.ttl(key) <= 60
    await raw.expire(key, 5)
    await cache.keep(tenant, slot, ANSWER)
    await cache.find(tenant, "d")
    assert 0 < await raw.ttl(key) <= 5
    await raw.delete(key)
    assert (await slot_of(cache, tenant)).version != slot.version, "a version that is gone never comes back"
    await cache.keep(tenant, slot, ANSWER)
    assert (await cache.find(tenant, "d")).outcome is Outcome.MISS


async def test_a_tenant_keeps_so_many_answers_and_no_more(
    cache: AnswerCache, tenant: Tenant, raw: Any
) -> None:
    slot = await slot_of(cache, tenant)
    await raw.hset(
        answers_key(tenant.id, tenant.uid), mapping={f"q{number}": "{}" for number in range(ANSWERS - 1)}
    )
    for digest in ("last", "too-many"):
        await cache.keep(tenant, Slot(digest, slot.version), ANSWER)
    assert (await cache.find(tenant, "last")).outcome is Outcome.HIT
    assert (await cache.find(tenant, "too-many")).outcome is Outcome.MISS
